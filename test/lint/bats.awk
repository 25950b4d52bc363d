# Finds statements in files of bats that cannot fail a test: `! command`, and lists joined by && that are
# assertions, when they are not the last of their function.  bats goes by errexit, which ignores both.
# In functions that wait_until, run, if or || call, errexit is off: there each test but the last counts
# for nothing, unless it says || return 1.
# A function ends with a } at the line's beginning.

function say(line, what)
{
	printf "%s:%d: %s\n", file, line, what
	bad = 1
}

# Without what is quoted, substituted or commented: quotes go to Q, $( ), <( ), =( ) and (( )) to S.
# What is open at the end of the line stays so.
function bare(line,   i, c, two, out)
{
	out = ""
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (quote == "'") {
			if (c == "'") quote = pop()
		} else if (quote == "$'") {
			if (c == "\\") i++
			else if (c == "'") quote = pop()
		} else if (c == "\\") {
			if (i == length(line)) joined = 1
			i++
		} else if (c == "$" && two == "$(" || two ~ /^[<>=]\($/ || two == "((" && quote == "") {
			out = out shown("S")
			push(two == "((" ? "((" : "(")
			i++
		} else if (quote == "\"") {
			if (c == "\"") quote = pop()
		} else if (two == "$'") {
			out = out shown("Q")
			push("$'"); i++
		} else if (c == "'" || c == "\"") {
			out = out shown("Q")
			push(c)
		} else if (c == "#" && (i == 1 || substr(line, i - 1, 1) ~ /[[:space:];(]/)) {
			break
		} else if (quote == "(" && c == "(") {
			push("(")
		} else if ((quote == "(" && c == ")") || (quote == "((" && two == "))")) {
			if (quote == "((") i++
			quote = pop()
		} else {
			out = out shown(c)
		}
	}
	return out
}

function shown(text) { return quote == "" ? text : "" }

function push(q) { stack[++depth] = quote; quote = q }

function pop() { return stack[depth--] }

# What stands before the first command of a segment
function command_of(s)
{
	sub(/^[[:space:]]+/, "", s)
	while (sub(/^(do|then|else|\{|\()[[:space:]]+/, "", s) || sub(/^[^[:space:]()]+\)[[:space:]]+/, "", s))
		;
	sub(/[[:space:]]+$/, "", s)
	return s
}

function statement(s, line,   n)
{
	s = command_of(s)
	if (s ~ /^(|do|then|else|fi|done|esac|;|\)|\(|\{)$/)
		return
	if (s == "}") {
		ended()
		return
	}
	if (s ~ /^(\}|\)|done|fi|esac)/)
		return
	n = ++statements
	text[n] = s
	at[n] = line
	of[n] = func_name
	where[n] = file
}

function ended() { if (statements) last[statements] = 1 }

function logical(s, line,   parts, n, i)
{
	if (s ~ /^@test/) {
		func_name = ""
		return
	}
	if (match(s, /^[a-z_A-Z0-9]+\(\)/)) {
		func_name = substr(s, 1, RLENGTH - 2)
		s = substr(s, RLENGTH + 1)
	}
	while (match(s, /\[\[ [^]]*\]\]/))
		s = substr(s, 1, RSTART - 1) "[[" substr(s, RSTART + RLENGTH)
	if (s ~ /^[})]/) {
		ended()
		return
	}
	gsub(/;;/, ";", s)
	n = split(s, parts, /;/)
	for (i = 1; i <= n; i++)
		statement(parts[i], line)
}

FNR == 1 { file = FILENAME; buffer = ""; quote = ""; depth = 0; heredoc = ""; func_name = "" }

heredoc != "" {
	line = $0
	sub(/^\t+/, "", line)
	if (line == heredoc) heredoc = ""
	next
}

{
	begins_quoted = quote
	joined = 0
	out = bare($0)
	if (begins_quoted == "" && match($0, /(^|[^<])<<-?[\\"']?[A-Z_]+/)) {
		heredoc = substr($0, RSTART, RLENGTH)
		sub(/^.?<<-?[\\"']?/, "", heredoc)
		if (out !~ /<</) heredoc = ""
	}
	if (buffer == "") first = FNR
	buffer = buffer out
	if (quote != "" || joined || buffer ~ /(\|\||&&|\|)[[:space:]]*$/) {
		buffer = buffer " "
		next
	}
	if (buffer !~ /^[[:space:]]*$/) logical(buffer, first)
	buffer = ""
}

# ---- what they may not be ----

# Names of functions that are called where errexit is off
function conditions(s,   w, n, i)
{
	n = split(s, w, /[[:space:]]+/)
	for (i = 1; i <= n; i++) {
		if (w[i] == "wait_until")
			unseen[w[i + 2]] = 1
		else if (w[i] ~ /^(run|if|elif|while|until|!)$/)
			unseen[w[i + 1]] = 1
		if (w[i] == "||" || w[i] == "&&")
			unseen[w[1]] = 1
	}
}

function assertion(s)
{
	return s ~ /^(\[|\[\[|test|grep|cmp|ok|refused|has_row|has_no_row|jq -e)([[:space:]]|$)/
}

function steers(s)	# the end of a list that is no assertion
{
	sub(/.*&&[[:space:]]*/, "", s)
	return s ~ /^(continue|break|return|exit|skip|shift|echo|export|[A-Za-z_]+\+?=)/
}

END {
	for (i = 1; i <= statements; i++)
		conditions(text[i])
	do {
		more = 0
		for (i = 1; i <= statements; i++) {
			word = text[i]
			sub(/[[:space:]].*/, "", word)
			if (of[i] != "" && of[i] in unseen && !(word in unseen)) {
				unseen[word] = 1
				more = 1
			}
		}
	} while (more)
	for (i = 1; i <= statements; i++) {
		s = text[i]
		file = where[i]
		if (i in last || s ~ /\|\|/ || s ~ /^(if|elif|while|until|for|case)[[:space:]]/)
			continue
		if (s ~ /^![[:space:]]/)
			say(at[i], "! in the middle cannot fail: say || return 1")
		else if (s ~ /&&/ && !steers(s))
			say(at[i], "a list of && in the middle cannot fail: a line each")
		else if (of[i] != "" && of[i] in unseen && assertion(s))
			say(at[i], "errexit is off where " of[i] " is called: say || return 1")
	}
	exit bad
}
