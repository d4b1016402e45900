"""Says at the end what was counted, in the line that tools/tally.py reads."""


def pytest_terminal_summary(terminalreporter):
    counts = {name: len(terminalreporter.stats.get(name, ())) for name in ("passed", "failed", "error")}
    total = sum(counts.values())
    terminalreporter.write_line(f"{100 * counts['passed'] // max(total, 1)}%: Checks: {total}, "
                                f"Failures: {counts['failed']}, Errors: {counts['error']}")
