# Fits of R's glm beside those of libalign-leaderboard: Bradley-Terry as a binomial model of differences, with and without
# a home effect, and Davidson's as a Poisson model with a level a pair. Scores and their errors, centred.
# usage: Rscript bt.R LEADERBOARD
program <- commandArgs(trailingOnly = TRUE)[1]
exact <- glm.control(epsilon = 1e-15, maxit = 100)
votes <- tempfile(fileext = ".csv")

# What the program says about rows of left, right, winner, weight.
board <- function(rows, ...) {
    write.csv(rows, votes, row.names = FALSE, quote = FALSE)
    lines <- system2(program, c(votes, "--left=left", "--right=right", "--winner=winner", "--weight=weight", "--ci=fisher",
                                "--format=csv", "--digits=17", ...), stdout = TRUE)
    said <- read.csv(text = lines)
    said[order(said$item), ]
}

# The coefficients `at`, those of all items but the last, about the mean of all.
centred <- function(fit, at) {
    n <- length(at) + 1
    centre <- (diag(n) - 1 / n)[, -n]
    list(score = drop(centre %*% coef(fit)[at]), se = sqrt(diag(centre %*% vcov(fit)[at, at] %*% t(centre))))
}

compare <- function(name, expected, said) {
    off <- c(max(abs(expected$score - said$score)), max(abs(expected$se - said$se)))
    cat(sprintf("%-22s %d items: scores within %.1e, errors within %.1e\n", name, nrow(said), off[1], off[2]))
    stopifnot(length(expected$score) == nrow(said), off < c(1e-9, 1e-8))
}

binomial_fit <- function(name, rows, ...) {
    items <- sort(unique(c(rows$left, rows$right)))
    x <- sapply(items, function(i) (rows$left == i) - (rows$right == i))[, -length(items)]
    if (length(list(...)) > 0) x <- cbind(x, 1)
    y <- c(left = 1, tie = 0.5, right = 0)[rows$winner]
    # glm warns of half a win, which is what is meant.
    fit <- suppressWarnings(glm(y ~ x - 1, family = binomial, weights = rows$weight, control = exact))
    compare(name, centred(fit, seq_len(length(items) - 1)), board(rows, ...))
}

davidson_fit <- function(name, rows) {
    items <- sort(unique(c(rows$left, rows$right)))
    sums <- aggregate(weight ~ left + right + winner, rows, sum)
    cells <- merge(unique(rows[c("left", "right")]), data.frame(winner = c("left", "right", "tie")))
    cells <- merge(cells, sums, all.x = TRUE)
    cells$weight[is.na(cells$weight)] <- 0
    share <- c(left = 1, tie = 0.5, right = 0)[cells$winner]
    x <- sapply(items, function(i) share * (cells$left == i) + (1 - share) * (cells$right == i))[, -length(items)]
    x <- cbind(x, cells$winner == "tie")
    pair <- factor(paste(cells$left, cells$right))
    fit <- suppressWarnings(glm(weight ~ x + pair, family = poisson, data = cells, control = exact))
    compare(name, centred(fit, 1 + seq_len(length(items) - 1)), board(rows, "--ties=davidson"))
}

# Rows of a matrix of wins: the one of the row over the one of the column.
wins_of <- function(items, wins) {
    cells <- expand.grid(i = seq_along(items), j = seq_along(items))
    rows <- data.frame(left = items[cells$i], right = items[cells$j], winner = "left", weight = wins[as.matrix(cells)])
    rows[rows$weight > 0, ]
}

# Stigler 1994.
binomial_fit("citations", wins_of(c("biometrika", "cis", "jasa", "jrssb"), matrix(
    c(0, 730, 498, 221, 33, 0, 68, 17, 320, 813, 0, 142, 284, 276, 325, 0), 4, byrow = TRUE)))

# Agresti 2002, table 10.10: games won and lost at home.
teams <- c("milwaukee", "detroit", "toronto", "new york", "boston", "cleveland", "baltimore")
won <- matrix(c(0, 4, 4, 4, 6, 4, 6,  3, 0, 4, 4, 6, 6, 4,  2, 4, 0, 2, 4, 4, 6,  3, 5, 2, 0, 4, 4, 6,
                5, 2, 3, 4, 0, 5, 6,  2, 3, 3, 4, 4, 0, 2,  2, 1, 1, 2, 1, 3, 0), 7, byrow = TRUE)
lost <- matrix(c(0, 3, 2, 3, 1, 2, 0,  3, 0, 2, 3, 0, 1, 3,  5, 3, 0, 4, 3, 2, 0,  3, 1, 5, 0, 3, 2, 1,
                 1, 5, 3, 2, 0, 2, 0,  5, 3, 4, 3, 2, 0, 4,  5, 5, 6, 4, 6, 4, 0), 7, byrow = TRUE)
baseball <- rbind(wins_of(teams, won), transform(wins_of(teams, lost), winner = "right"))
binomial_fit("baseball", baseball)
binomial_fit("baseball at home", baseball, "--home")

# A random league with ties and weights.
league <- function(n, games) {
    strength <- rnorm(n)
    pair <- t(replicate(games, sample(n, 2)))
    chance <- plogis(strength[pair[, 1]] - strength[pair[, 2]] + 0.3)
    data.frame(left = sprintf("p%02d", pair[, 1]), right = sprintf("p%02d", pair[, 2]),
               winner = ifelse(runif(games) < 0.2, "tie", ifelse(runif(games) < chance, "left", "right")),
               weight = sample(c(0.25, 1, 3), games, replace = TRUE))
}

set.seed(1)
many <- league(40, 3000)
binomial_fit("league", many)
binomial_fit("league at home", many, "--home")
davidson_fit("league by Davidson", league(12, 1500))

# Data of Debian's BradleyTerry2, where that is installed: its own fits, and what it does not say.
if (requireNamespace("BradleyTerry2", quietly = TRUE)) {
    # Sound fields: half ties. Strengths beside field 000 are those that BradleyTerry2 1.1-2 gives.
    heard <- BradleyTerry2::sound.fields$comparisons
    field <- function(side) paste0("f", heard[[side]])
    rows <- data.frame(left = field("field1"), right = field("field2"), winner = rep(c("left", "right", "tie"), each = nrow(heard)),
                       weight = c(heard$win1, heard$win2, heard$tie))
    rows <- rows[rows$weight > 0, ]
    binomial_fit("sound fields", rows)
    said <- board(rows)
    stored <- c(0, -.164104538, 1.076031139, .913830869, 1.076031139, 1.198593465, 1.506895871, 1.378757178)
    stopifnot(abs(said$score - said$score[1] - stored) < 1e-9)
    fit <- suppressWarnings(BradleyTerry2::BTm(cbind(win1.adj, win2.adj), field1, field2, data = heard, refcat = "000", control = exact))
    stopifnot(abs(BradleyTerry2::BTabilities(fit)[, "ability"] - stored) < 1e-8)

    # Lizards, most of whom met few others: some never lost, and for those BTm gives numbers with errors of a
    # thousand and more. The board names one of them and says why it has no number.
    contests <- BradleyTerry2::flatlizards$contests
    write.csv(data.frame(left = contests$winner, right = contests$loser, winner = "left"), votes, row.names = FALSE, quote = FALSE)
    text <- suppressWarnings(system2(program, c(votes, "--left=left", "--right=right", "--winner=winner"), stdout = TRUE, stderr = TRUE))
    fit <- suppressWarnings(BradleyTerry2::BTm(1, winner, loser, data = contests))
    wide <- max(summary(fit)$coefficients[, "Std. Error"])
    cat(sprintf("%-22s %d items: errors of BTm up to %.0f; %s\n", "lizards", nlevels(contests$winner), wide, text))
    stopifnot(wide > 1000, attr(text, "status") == 1, grepl("never lost", text))

    # Chameleons: ability by covariates alone. The stored numbers are what align_bt_fit gives (tests/golden/bt_peers.c).
    fit <- suppressWarnings(BradleyTerry2::BTm(player1 = winner, player2 = loser, id = "ID", data = BradleyTerry2::chameleons, control = exact,
                                               formula = ~ prev.wins.2 + ch.res[ID] + prop.main[ID]))
    stored <- c(2.3812955946999, .6093115209912, .0892796887015)
    cat(sprintf("%-22s %d coefficients within %.1e\n", "chameleons", 3, max(abs(coef(fit) - stored))))
    stopifnot(abs(coef(fit) - stored) < 1e-9, abs(deviance(fit) - 85.395665318636) < 1e-9)
}
