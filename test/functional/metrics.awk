# A page of metrics in the text format 0.0.4, read strictly: every line, their order, types and
# names, and that a histogram adds up.  Says what is wrong; exit status 1 if anything is.

function bad(what) { print FILENAME ":" FNR ": " what ": " $0; failed = 1 }

# The end of a histogram's series: its buckets are cumulative and its count is the last one.
function end_buckets()
{
	if (open && le != "+Inf")
		bad("histogram without +Inf before this")
	open = 0
}

/^# HELP / {
	end_buckets()
	if (want != "")
		bad("no TYPE after HELP")
	if ($0 !~ /^# HELP hubleaf_[a-z0-9_]+ [^ ].*[^ ]$/)
		bad("HELP")
	want = $3
	if ($3 in types)
		bad("twice")
	next
}
/^# TYPE / {
	if ($0 !~ /^# TYPE [a-z0-9_]+ (counter|gauge|histogram)$/ || $3 != want)
		bad("TYPE")
	family = $3
	types[family] = $4
	want = ""
	if (($4 == "counter") != (family ~ /_total$/))
		bad("_total is for counters")
	if (family ~ /_(count|sum|bucket|milliseconds|ms|info_total)$/)
		bad("name")
	next
}
!/^hubleaf_[a-z0-9_]+(\{[a-z_]+="([^"\\]|\\[\\"n])*"(,[a-z_]+="([^"\\]|\\[\\"n])*")*\})? -?[0-9]+(\.[0-9]+)?(e[-+][0-9]+)?$/ {
	bad("is no sample")
	next
}
{
	name = $0
	sub(/[{ ].*/, "", name)
	series = $0
	sub(/ [^ ]*$/, "", series)
	value = $NF + 0
	if (series in seen)
		bad("series twice")
	seen[series] = 1
	samples++
	if (types[family] != "histogram") {
		if (name != family)
			bad("not of " family)
		if (types[family] == "counter" && value < 0)
			bad("negative")
		next
	}
	if (name == family "_bucket") {
		if (!match(series, /le="[^"]*"/))
			bad("no le")
		bound = substr(series, RSTART + 4, RLENGTH - 5)
		if (open && ((bound != "+Inf" && bound + 0 <= le + 0) || value < last))
			bad("buckets go back")
		open = 1
		le = bound
		last = value
	} else if (name == family "_count") {
		if (value != last || le != "+Inf")
			bad("count differs")
		open = 0
	} else if (name != family "_sum")
		bad("not of " family)
}
END {
	if (want != "" || open)
		bad("ends early")
	if (samples < 10)
		bad("hardly any samples")
	exit failed
}
