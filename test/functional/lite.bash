# shellcheck shell=bash
# Applications' SQLite files beside nodes: $HL_T/files, which each node may attach from; and $HL_T/shop/app.db.

lite_start()	# lite_start NODE...: a mesh of them
{
	mkdir -p "$HL_T/files"
	for n in "$@"; do
		node_start "$n" SQLITE_PATHS="[\"$HL_T/files\",\"$HL_T/shop/app.db\"]"
	done
	[ $# -lt 2 ] || mesh "$@"
}

app()		# app FILE SQL: what an application does, with any SQLite
{
	sqlite3 -bail -cmd '.timeout 5000' "$HL_T/files/$1" "$2"
}

lite()		# lite OPERATION FILE [MORE FIELDS]: the body of a request
{
	printf '{"operation":"%s","database":"dev","path":"%s"%s}' "$1" "$HL_T/files/$2" "${3:+,$3}"
}

attach()	# attach NODE FILE [MORE FIELDS]
{
	ok "$1" "$(lite attach_sqlite "$2" "${3:-}")"
}

detach()
{
	ok "$1" "$(lite detach_sqlite "$2")"
}

attached()	# attached NODE FILE: its status
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e ".sqlite[] | select(.path | endswith(\"/$2\"))"
}

attached_is()	# attached_is NODE FILE JQ
{
	attached "$1" "$2" | jq -e "$3"
}

settled()	# settled NODE FILE: nothing is on its way in either direction
{
	attached_is "$1" "$2" '.state == "ok" and .log_rows == 0 and .pending_rows == .refused_rows'
}

power_cut()	# power_cut NODE: all its processes end at once, none of them in order
{
	local pids

	pids=$(node_processes "$HL_T/nodes/$1")
	kill -STOP $pids
	kill -KILL $pids
	wait_until 10 node_is_gone "$1"
}

file_has()	# file_has FILE SQL VALUE
{
	[ "$(app "$1" "$2")" = "$3" ]
}

files_equal()	# files_equal TABLE FILE...
{
	local table=$1 first sum f

	first=$(content "$2" "$table") || return 1
	for f in "${@:3}"; do
		sum=$(content "$f" "$table") || return 1
		[ "$sum" = "$first" ] || return 1
	done
}

content()	# content FILE TABLE: rows with their storage classes, in the key's order
{
	sqlite3 -bail -quote -cmd '.timeout 5000' "$HL_T/files/$1" "SELECT * FROM $2 ORDER BY 1, 2"
}

same_files()	# same_files SECONDS TABLE FILE...: soon, else says how they differ
{
	local seconds=$1 table=$2 f

	shift 2
	wait_until "$seconds" files_equal "$table" "$@" && return 0
	for f in "${@:2}"; do
		diff <(content "$1" "$table") <(content "$f" "$table") | head -n 10 | sed "s/^/$1 $f: /"
	done
	return 1
}
