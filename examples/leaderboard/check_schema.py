#!/usr/bin/env python3
"""Holds the JSON of libalign-leaderboard against board.schema.json. usage: check_schema.py PROGRAM SCHEMA"""
import json
import subprocess
import sys

import jsonschema

VOTES = ("model_a,model_b,winner,topic,longer\na,b,left,x,1\nb,a,left,x,2\na,b,tie,y,0\nb,a,right,x,1\n"
         "a,b,right,x,-1\n")


def boards(program, *options):
    done = subprocess.run([program, "--format", "json", *options], input=VOTES, text=True, capture_output=True,
                          check=False)
    return json.loads(done.stdout)


def main(program, path):
    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft7Validator.check_schema(schema)
    for options in ([], ["--ranks"], ["--home"], ["--covariate", "longer"], ["--ties", "davidson"], ["--by", "topic"], ["--by", "topic", "--ties", "drop"]):
        found = boards(program, *options)
        jsonschema.validate(found, schema)
        assert len(found["boards"]) == 1 + len({"x", "y"} if "--by" in options else ()) - ("drop" in options)
    broken = boards(program)
    del broken["boards"][0]["items"][0]["rank"]
    try:
        jsonschema.validate(broken, schema)
    except jsonschema.ValidationError:
        print("ok")
        return
    sys.exit("the schema finds nothing missing")


if __name__ == "__main__":
    main(*sys.argv[1:])
