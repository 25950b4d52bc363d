#!/bin/sh
# The manual of the configuration file: the list of keys is made from the one
# that the parser has.
#
#	keys.sh hubleaf.yaml.5.in conf.def >hubleaf.yaml.5
#
# In the .in file the line @KEYS@ stands for the list.
set -eu

awk -F '"' -v page="$1" '
# Text as mdoc lines: a sentence begins a line, and none looks like a macro.
function lines(text,	n, w, i, line) {
	gsub(/\\/, "\\e", text)
	gsub(/\001/, "\\(dq", text)
	n = split(text, w, " ")
	line = ""
	for (i = 1; i <= n; i++) {
		if (line != "" && length(line " " w[i]) > 72) {
			put(line)
			line = ""
		}
		line = line == "" ? w[i] : line " " w[i]
		if (w[i] ~ /\.$/) {
			put(line)
			line = ""
		}
	}
	if (line != "")
		put(line)
}
function put(line) {
	print (line ~ /^[.\047]/ ? "\\&" : "") line
}
function range(min, max) {
	if (max != 0)
		return " between " min " and " max
	return min != 0 ? " of " min " or more" : ""
}
function type_text(type, def, min, max,	words) {
	if (type == "CONF_STR")
		return "Text"
	if (type == "CONF_INT")
		return "A number" range(min, max)
	if (type == "CONF_VERIFICATION")
		return "False"
	if (type == "CONF_BOOL")
		return "True or false"
	if (type == "CONF_LIST" || type == "CONF_WORDS" || type == "CONF_NODES")
		return "A list"
	if (type == "CONF_DATABASES")
		return "\"*\", a name or a list"
	if (type == "CONF_MTLS")
		return "True, false or an object"
	if (type == "CONF_LISTEN")
		return "A port, or address:port"
	if (type == "CONF_DATE")
		return "A date and time"
	if (type == "CONF_DURATION" || type == "CONF_MS")
		return "A duration" range(min, max)
	if (type == "CONF_SIZE")
		return "A size" range(min, max)
	if (type == "CONF_ENUM") {
		words = substr(def, index(def, "|") + 1)
		gsub(/\|/, ", ", words)
		return "One of " words
	}
	print "keys.sh: unknown type " type >"/dev/stderr"
	failed = 1
}
function default_text(type, def, unset) {
	if (unset)
		return "unset"
	if (type == "CONF_ENUM")
		return substr(def, 1, index(def, "|") - 1)
	if ((type == "CONF_LIST" || type == "CONF_WORDS" || type == "CONF_NODES") && def == "[]")
		return "empty"
	if (def ~ /^\.\//)
		return "rootPath/" substr(def, 3)
	return def
}
# Quotes in a text are no ends of it.
/^CONF\(/ { gsub(/\\"/, "\001") }
/^CONF\(/ {
	# CONF(id, "name", type, "default" or NULL, min, max, change, "doc")
	unset = $3 ~ /NULL/
	rest = unset ? $3 : $3 $5
	gsub(/[ ,]+/, " ", rest)
	n = split(rest, f, " ")
	doc = unset ? $4 : $6
	if (doc == "" || n != (unset ? 5 : 4)) {
		print "keys.sh: cannot read: " $0 >"/dev/stderr"
		failed = 1
		exit
	}
	keys[++nkeys] = $2
	docs[nkeys] = doc
	facts[nkeys] = type_text(f[1], $4, f[n - 2], f[n - 1]) "; " \
	    (unset ? "unset" : default_text(f[1], $4, 0)) " by default; " \
	    (f[n] == "CONF_LIVE" ? "live." : "restart.")
}
END {
	if (nkeys == 0 || failed)
		exit 1
	while ((getline line <page) > 0) {
		if (line != "@KEYS@") {
			print line
			continue
		}
		print ".Bl -tag -width Ds"
		for (i = 1; i <= nkeys; i++) {
			print ".It Ic " keys[i]
			lines(docs[i])
			print ".br"
			lines(facts[i])
		}
		print ".El"
	}
}' "$2"
