# shellcheck shell=bash
# Nodes for the functional tests: each in its own folder, on free ports of
# 127.0.0.1.  State is kept in files below $HL_T, so that any subshell sees it.
#
# HL_BUILD	build folder with opsd/hubleaf (the repository's root)
# HL_KEEP	keep the folder when all passed, too
# HL_NO_USERS	nodes start without an administrator and a cluster user
# HL_CARRIER	link: nodes know each other by links instead of NATS (linked.bash)

HL_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${HL_BUILD:=$HL_SRC}"
HL_CLI=$HL_BUILD/opsd/hubleaf
HL_LOAD=$HL_BUILD/test/functional/load
HL_ROWLINES=$HL_BUILD/test/functional/rowlines
HL_USER="admin"
HL_PASSWORD=admin-secret
HL_PORT_LOCKS=${TMPDIR:-/tmp}/hubleaf-ports.$(id -u)
HL_PORT_KINDS="cluster leafnodes hub leaf api link"

# ---- a file of tests: its nodes are made once, by start_nodes ----

setup_file()
{
	hl_begin
	start_nodes
}

teardown()
{
	[ -n "${BATS_TEST_COMPLETED:-}" ] && return 0
	touch "$HL_T/failed"
	hl_show_logs
}

teardown_file()
{
	hl_end
}

# ---- folders and ports ----

hl_begin()
{
	[ -x "$HL_CLI" ] || {
		echo "$HL_CLI is not there: build it, or set HL_BUILD" >&2
		return 1
	}
	# Short: the paths of Unix sockets are limited.
	HL_T=$(mktemp -d "${TMPDIR:-/tmp}/hl.XXXXXX")
	HL_OWNER=$$
	export HL_T HL_OWNER
	mkdir "$HL_T/nodes"
}

# Ends what was started here.  The folder of tests that failed stays.
hl_end()
{
	local node left pid report

	[ -n "${HL_T:-}" ] && [ -d "$HL_T" ] || return 0
	for node in $(nodes); do
		pid=$(cat "$HL_T/nodes/$node/run.pid" 2>/dev/null) || continue
		kill -CONT $(node_processes "$HL_T/nodes/$node") 2>/dev/null || :
		kill -TERM "$pid" 2>/dev/null || :
	done
	for node in $(nodes); do
		node_stop "$node" || :
	done
	left=$(node_processes "$HL_T")
	# shellcheck disable=SC2086 # a list of pids
	[ -z "$left" ] || kill -KILL $left 2>/dev/null || :
	hl_ports_free
	[ -z "$left" ] || {
		echo "did not stop: $left" >&2
		touch "$HL_T/failed"
	}
	for report in "$HL_T"/nodes/*/?*san.*; do
		# Its tracer says so of threads that end meanwhile: nothing was found.
		grep -qsvE 'Unable to get registers from thread|thread [0-9]+ was not suspended' "$report" || continue
		echo "--- $report" >&2
		head -n 60 "$report" >&2
		touch "$HL_T/failed"
		left=$report
	done
	[ -n "${HL_KEEP:-}" ] || [ -e "$HL_T/failed" ] || rm -rf "$HL_T"
	[ -z "$left" ]
}

hl_show_logs()
{
	local node

	for node in $(nodes); do
		echo "--- $node: the end of $HL_T/nodes/$node/log"
		tail -n 25 "$HL_T/nodes/$node/log"
		cat "$HL_T/nodes/$node"/*san.* 2>/dev/null || :
	done
}

hl_ports_free()
{
	local lock

	for lock in "$HL_PORT_LOCKS"/*; do
		[ "$(cat "$lock" 2>/dev/null)" != "$HL_OWNER" ] || rm -f "$lock"
	done
}

# A block of ports nobody else of these tests has, with nothing listening:
# below the range from which the kernel takes ports of its own.
hl_ports()
{
	local base owner try

	mkdir -p "$HL_PORT_LOCKS"
	(
		flock 9
		for try in {1..200}; do
			base=$((10000 + (RANDOM * 32768 + RANDOM) % 2200 * 10))
			owner=$(cat "$HL_PORT_LOCKS/$base" 2>/dev/null) || owner=
			if [ -n "$owner" ] && kill -0 "$owner" 2>/dev/null; then
				continue
			fi
			[ -z "$(ss -Hltn "sport >= $base and sport < $((base + 10))")" ] || continue
			echo "$HL_OWNER" >"$HL_PORT_LOCKS/$base"
			echo "$base"
			exit 0
		done
		echo "no free ports after $try tries" >&2
		exit 1
	) 9>"$HL_PORT_LOCKS/.lock"
}

# ---- a node's life ----

nodes()
{
	ls "$HL_T/nodes"
}

port()		# port NODE KIND
{
	cat "$HL_T/nodes/$1/port.$2"
}

root()		# root NODE: its rootPath
{
	echo "$HL_T/nodes/$1/root"
}

wire_format()	# of this build, by number
{
	awk '$2 == "FORMATS_WIRE" { print $3; found = 1 } END { exit !found }' "$HL_SRC/common/base/formats.h"
}

needs_terminal()	# in a bare chroot there may be none
{
	script -qec true /dev/null >/dev/null 2>&1 || skip "no pseudo-terminal can be made here"
}

node_make()	# node_make NODE [KEY=VALUE...]: ports and configuration
{
	local node=$1 dir=${HL_T:?hl_begin was not called}/nodes/$1 base kind i=0 pair

	shift
	mkdir -p "$dir/root"
	base=$(hl_ports) || return 1
	for kind in $HL_PORT_KINDS; do
		echo $((base + i)) >"$dir/port.$kind"
		i=$((i + 1))
	done
	node_config "$node" >"$dir/hubleaf.yaml" || return 1
	node_environment "$node" >"$dir/env"
	# Further keys travel as environment variables.
	for pair in "$@"; do
		echo "$pair" >>"$dir/env"
	done
}

preload()	# preload NODE LIBRARY: as well as what it has
{
	local env=$HL_T/nodes/$1/env had

	had=$(sed -n 's/^LD_PRELOAD=//p' "$env" | tail -n 1)
	echo "LD_PRELOAD=$2${had:+:$had}" >>"$env"
}

clock_make()	# clock_make NODE [KEY=VALUE...]: as node_make, with a wall clock that clock_set sets
{
	node_make "$@"
	printf '%-16d' 0 >"$HL_T/nodes/$1/clock"
	echo "HL_CLOCK=$HL_T/nodes/$1/clock" >>"$HL_T/nodes/$1/env"
	preload "$1" "$HL_BUILD/test/functional/clock.so"
}

clock_set()	# clock_set NODE MS: ahead of the others by so much, or behind
{
	printf '%-16d' "$2" 1<>"$HL_T/nodes/$1/clock"
}

node_config()
{
	cat <<-END
	rootPath: $(root "$1")
	clustering:
	  enabled: true
	  nodeName: $1
	  user: cluster
	  requestTimeout: 3000
	  statusInterval: 500
	  hubServer:
	    cluster:
	      network:
	        host: 127.0.0.1
	        port: $(port "$1" cluster)
	        advertise: 127.0.0.1:$(port "$1" cluster)
	    leafNodes:
	      network:
	        host: 127.0.0.1
	        port: $(port "$1" leafnodes)
	    network:
	      host: 127.0.0.1
	      port: $(port "$1" hub)
	  leafServer:
	    network:
	      host: 127.0.0.1
	      port: $(port "$1" leaf)
	operationsApi:
	  network:
	    host: 127.0.0.1
	    port: $(port "$1" api)
	storage:
	  cacheSize: 8388608
	threads: 1
	END
}

node_environment()
{
	:
}

within()	# within NODE: words before a command that make it run where the node is
{
	:
}

node_run()	# node_run NODE: start a node that was made, and wait for its API
{
	local dir=$HL_T/nodes/$1 fd

	: >>"$dir/log"
	(
		# Descriptors of bats must not be held open by a node.
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || eval "exec $fd>&-"
		done
		while IFS= read -r pair; do
			export "${pair?}"
		done <"$dir/env"
		if [ -z "${HL_NO_USERS:-}" ]; then
			export HDB_ADMIN_USERNAME=$HL_USER HDB_ADMIN_PASSWORD=$HL_PASSWORD
			export CLUSTERING_USER=cluster CLUSTERING_PASSWORD=cluster-secret
		fi
		# Something may be preloaded.
		export ASAN_OPTIONS=detect_leaks=1:verify_asan_link_order=0:log_path=$dir/asan
		export UBSAN_OPTIONS=print_stacktrace=1:log_path=$dir/ubsan
		export TSAN_OPTIONS=log_path=$dir/tsan:suppressions=$HL_SRC/test/tsan.supp
		# shellcheck disable=SC2086 # a list of flags
		exec $(within "$1") setsid "$HL_CLI" run -c "$dir/hubleaf.yaml" ${HL_RUN_FLAGS:-} </dev/null >>"$dir/log" 2>&1
	) &
	echo $! >"$dir/run.pid"
	disown $!	# a test's `wait` is for its own jobs
	wait_until 20 node_answers "$1"
}

node_answers()
{
	[ "$($(within "$1") curl -s -m 5 -o /dev/null -w '%{http_code}' \
	    "http://127.0.0.1:$(port "$1" api)/health")" = 200 ]
}

node_start()	# node_start NODE [KEY=VALUE...]
{
	node_make "$@"
	node_run "$1"
	wait_until 20 node_ready "$1"
}

# Both servers run: the node can be reached by others.
node_ready()
{
	[ "$(ask "$1" '{"operation":"cluster_status"}' |
	    jq -r '[.servers[].status] | unique | join(" ")')" = running ]
}

node_stop()	# node_stop NODE: in order, all of it
{
	local pid

	pid=$(cat "$HL_T/nodes/$1/run.pid" 2>/dev/null) || return 0
	kill -TERM "$pid" 2>/dev/null || :
	wait_until 25 gone "$pid" || kill -KILL "$pid" 2>/dev/null
	wait_until 5 node_is_gone "$1" || return 1
	rm -f "$HL_T/nodes/$1/run.pid"
}

gone()
{
	local state

	state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || :
	[ -z "$state" ] || [ "$state" = Z ]
}

node_processes()	# node_processes FOLDER: those that name it in their arguments
{
	local p exe

	# shellcheck disable=SC2013 # no spaces in them
	for p in $(grep -lsaF -- "$1/" /proc/[0-9]*/cmdline); do
		p=${p%/cmdline}
		exe=$(readlink "$p/exe" 2>/dev/null) || continue
		case ${exe##*/} in
		opsd | hubd | leafd | hubleaf | nats-server)
			gone "${p##*/}" || echo "${p##*/}" ;;
		esac
	done
}

node_is_gone()
{
	[ -z "$(node_processes "$HL_T/nodes/$1")" ]
}

node_pid()	# node_pid NODE opsd|hubd|leafd|hub|leaf|run
{
	local r

	r=$(root "$1")
	case $2 in
	hub) cat "$r/clustering/hub/hub.pid" ;;
	leaf) cat "$r/clustering/leaf.pid" ;;
	run) cat "$HL_T/nodes/$1/run.pid" ;;
	*) cat "$r/run/$2.pid" ;;
	esac
}

sanitized()	# sanitized NODE: its memory says nothing then
{
	grep -q libasan "/proc/$(node_pid "$1" opsd)/maps"
}

node_kill()	# node_kill NODE PROCESS [SIGNAL]
{
	kill "-${3:-KILL}" "$(node_pid "$1" "$2")"
}

# ---- requests ----

# Sets $code and $body.
op()		# op NODE JSON, or @FILE
{
	body=$(hl_post "$1" "$2" -w '\n%{http_code}') || :
	code=${body##*$'\n'}
	body=${body%$'\n'*}
}

ask()		# ask NODE JSON: prints the answer
{
	hl_post "$1" "$2" || :
}

hl_post()	# hl_post NODE JSON|@FILE [CURL OPTION...]
{
	local from=@-

	[ "${2:0:1}" != @ ] || from=$2
	$(within "$1") curl -s -m 60 -u "$HL_USER:$HL_PASSWORD" -H 'Content-Type: application/json' -H 'Expect:' \
	    --data-binary "$from" "${@:3}" "http://127.0.0.1:$(port "$1" api)/" <<<"$2"
}

jq()		# as jq, but -e fails when there was nothing to look at, as later versions do
{
	local out rc=0

	if [ "$1" != -e ]; then
		command jq "$@"
		return
	fi
	out=$(command jq "$@") || rc=$?
	[ -n "$out" ] || return 4
	printf '%s\n' "$out"
	return "$rc"
}

ok()		# ok NODE JSON [JQ]: 200, and the filter holds
{
	op "$1" "$2"
	if [ "$code" != 200 ] || { [ -n "${3:-}" ] && ! jq -e "$3" <<<"$body" >/dev/null; }; then
		echo "$1: $2"
		echo "gave $code: $body"
		[ -z "${3:-}" ] || echo "wanted: $3"
		return 1
	fi
}

refused()	# refused NODE CODE JSON [TEXT]: that status, with this in its error
{
	op "$1" "$3"
	if [ "$code" != "$2" ] || { [ -n "${4:-}" ] && [[ $body != *"$4"* ]]; }; then
		echo "$1: $3"
		echo "gave $code: $body"
		echo "wanted $2: ${4:-}"
		return 1
	fi
}

# cases NODE [old]: from standard input, a line each, parted by tabs,
#	STATUS  REQUEST  WHAT
# WHAT is in the answer ("TEXT" in quotes: that is its whole error), or for 200 a jq expression
# that holds, in which `ids` are those of rows.  With old every request is also sent in the older
# names.  Every one that differs is shown.
cases()
{
	local status request want failed=0

	while IFS=$'\t' read -r status request want; do
		[[ -n $status && $status != \#* ]] || continue
		one_case "$1" "$status" "$request" "$want" || failed=1
		[ "${2:-}" != old ] || one_case "$1" "$status" "$(older "$request")" "$want" || failed=1
	done < <(tr -s '\t')
	return "$failed"
}

one_case()	# one_case NODE STATUS REQUEST WHAT
{
	if [ "$2" = 200 ]; then
		ok "$1" "$3" "${4:+def ids: [.[].id]; $4}" || return 1
	else
		refused "$1" "$2" "$3" "$4"
	fi
}

older()		# older REQUEST: the same in the older names
{
	sed -e 's/"database":/"schema":/g; s/"ids":/"hash_values":/g; s/"value":/"search_value":/g' \
	    -e 's/"comparator":/"search_type":/g; s/"primary_key":/"hash_attribute":/g' \
	    -e '/"sort"/!s/"attribute":/"search_attribute":/g; s/search_by_id/search_by_hash/' \
	    -e 's/create_database/create_schema/; s/describe_database/describe_schema/' <<<"$1"
}

by_links()	# whether nodes know each other by links
{
	[ "${HL_CARRIER:-nats}" = link ]
}

over_nats()	# a test of what only NATS has
{
	! by_links || skip "of NATS alone"
}

# wait_until SECONDS COMMAND...: less often after a second, as looking takes more time than anything else
wait_until()
{
	local start=${EPOCHREALTIME/./} end pause=0.1

	end=$((start + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || {
			echo "did not happen in time: $*"
			return 1
		}
		sleep $pause
		[ "${EPOCHREALTIME/./}" -lt $((start + 1000000)) ] || pause=0.25
	done
}

# ---- clusters ----

route()		# route A B: A's hub connects to B's
{
	ok "$1" "{\"operation\":\"cluster_set_routes\",\"server\":\"hub\",\"routes\":[
	    {\"host\":\"127.0.0.1\",\"port\":$(port "$2" cluster)}]}"
}

leaf_route()	# leaf_route A B: A's leaf dials B's hub
{
	ok "$1" "{\"operation\":\"cluster_set_routes\",\"server\":\"leaf\",\"routes\":[
	    {\"host\":\"127.0.0.1\",\"port\":$(port "$2" leafnodes)}]}"
}

# Those of test/FOLDER, in $HL_T.  Without npm's registry there is nothing to run; all else is a fault of ours.
npm_packages()	# npm_packages FOLDER
{
	cp -r "$HL_SRC/test/$1" "$HL_T/"
	rm -rf "$HL_T/$1/node_modules"
	command -v npm >/dev/null || skip "npm is not installed"
	npm ci --prefix "$HL_T/$1" --ignore-scripts >"$HL_T/npm.log" 2>&1 3>&- && return 0
	timeout 60 npm ping >/dev/null 2>&1 || skip "npm has no registry"
	cat "$HL_T/npm.log"
	return 1
}

snapshots_every()	# snapshots_every INTERVAL NODE...: they take them
{
	local n

	for n in "${@:2}"; do
		ok "$n" "{\"operation\":\"set_configuration\",\"snapshot_interval\":\"$1\"}"
	done
}

no_warnings()	# no_warnings NODE
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e '.warnings == []'
}

in_network()	# in_network NODE OTHER...: cluster_network lists exactly these, and itself
{
	local want

	want=$(printf '%s\n' "$@" | sort | paste -sd ' ')
	[ "$(ask "$1" '{"operation":"cluster_network","timeout":1000}' |
	    jq -r '[.nodes[].name] | sort | join(" ")')" = "$want" ]
}

mesh()		# mesh NODE...: all have a route to the first; each sees all
{
	local n first=$1

	for n in "${@:2}"; do
		route "$n" "$first"
	done
	for n in "$@"; do
		wait_until 20 in_network "$n" $(printf '%s\n' "$@" | grep -vx "$n")
	done
}

make_table()	# make_table NODE TABLE [DATABASE]
{
	ok "$1" "{\"operation\":\"create_table\",\"database\":\"${3:-dev}\",\"table\":\"$2\",\"primary_key\":\"id\"}"
}

# subscribe A B TABLE [PUBLISH SUBSCRIBE [START_TIME]]: called on A; both ways by default.
subscribe()
{
	local start=

	[ -z "${6:-}" ] || start=",\"start_time\":\"$6\""
	ok "$1" "{\"operation\":\"set_node_replication\",\"node_name\":\"$2\",\"subscriptions\":[
	    {\"database\":\"dev\",\"table\":\"$3\",\"publish\":${4:-true},\"subscribe\":${5:-true}$start}]}"
}

insert()	# insert NODE TABLE RECORD[,RECORD...]
{
	ok "$1" "{\"operation\":\"insert\",\"database\":\"dev\",\"table\":\"$2\",\"records\":[$3]}"
}

upsert()
{
	ok "$1" "{\"operation\":\"upsert\",\"database\":\"dev\",\"table\":\"$2\",\"records\":[$3]}"
}

update()
{
	ok "$1" "{\"operation\":\"update\",\"database\":\"dev\",\"table\":\"$2\",\"records\":[$3]}"
}

delete()	# delete NODE TABLE ID[,ID...] as JSON
{
	ok "$1" "{\"operation\":\"delete\",\"database\":\"dev\",\"table\":\"$2\",\"ids\":[$3]}"
}

rows()		# rows NODE DATABASE TABLE: all of them, sorted, one a line, times included; fails when none are told
(
	set -o pipefail
	ask "$1" "{\"operation\":\"search_by_value\",\"database\":\"$2\",\"table\":\"$3\",
	    \"search_attribute\":\"id\",\"search_value\":\"*\",\"get_attributes\":[\"*\"]}" | "$HL_ROWLINES"
)

found_by_id()	# found_by_id NODE TABLE ID(JSON): what is answered
{
	ask "$1" "{\"operation\":\"search_by_id\",\"database\":\"dev\",\"table\":\"$2\",
	    \"ids\":[$3],\"get_attributes\":[\"*\"]}"
}

row()		# row NODE TABLE ID(JSON): one row
{
	found_by_id "$@" | jq -cS '.[0] // empty | with_entries(select(.value != null))'
}

count()		# count NODE TABLE
{
	ask "$1" "{\"operation\":\"describe_table\",\"database\":\"dev\",\"table\":\"$2\"}" |
	    jq -r .record_count
}

counts()	# counts NODE TABLE N
{
	[ "$(count "$1" "$2")" = "$3" ]
}

has_row()	# has_row NODE TABLE ID(JSON) [JQ]
{
	found_by_id "$1" "$2" "$3" |
	    jq -e ".[0] // empty | with_entries(select(.value != null)) | (${4:-.})" >/dev/null
}

has_no_row()	# has_no_row NODE TABLE ID(JSON): it says that there is none
{
	found_by_id "$@" | jq -e '. == []'
}

rows_equal()	# rows_equal TABLE NODE...: each tells its rows, and they are the same
{
	local table=$1 first sum n

	first=$(rows_sum "$2" "$table") || return 1
	for n in "${@:3}"; do
		sum=$(rows_sum "$n" "$table") || return 1
		[ "$sum" = "$first" ] || return 1
	done
}

rows_sum()
(
	set -o pipefail
	rows "$1" dev "$2" | md5sum
)

same_rows()	# same_rows SECONDS TABLE NODE...: soon, else says how they differ
{
	local seconds=$1 table=$2 n

	shift 2
	wait_until "$seconds" rows_equal "$table" "$@" && return 0
	for n in "${@:2}"; do
		diff <(rows "$1" dev "$table") <(rows "$n" dev "$table") | head -n 10 |
		    sed "s/^/$1 $n: /"
	done
	return 1
}

# ---- load ----

load_rows()	# load_rows NODE TABLE FILE [OPTION...]: single-row inserts; acknowledged ids into FILE
{
	$(within "$1") "$HL_LOAD" -p "$(port "$1" api)" -u "$HL_USER:$HL_PASSWORD" -t "dev.$2" -o "$3" "${@:4}"
}

ids()		# ids NODE TABLE: all keys, sorted
{
	ask "$1" "{\"operation\":\"search_by_value\",\"database\":\"dev\",\"table\":\"$2\",
	    \"search_attribute\":\"id\",\"search_value\":\"*\",\"get_attributes\":[\"id\"]}" |
	    jq -r '.[].id' | LC_ALL=C sort
}

start_pair()	# n1 and n2, with a table t both ways and a row of each in it
{
	node_start n1
	node_start n2
	mesh n1 n2
	make_table n1 t
	subscribe n1 n2 t
	insert n1 t '{"id":"first 1"}'
	insert n2 t '{"id":"first 2"}'
	same_rows 10 t n1 n2
}

holds_all()	# holds_all NODE TABLE FILE...: every acknowledged id is there
{
	local missing

	missing=$(LC_ALL=C sort -m <(LC_ALL=C sort "${@:3}") | LC_ALL=C comm -23 - <(ids "$1" "$2"))
	[ -z "$missing" ] || {
		echo "$1: $(wc -l <<<"$missing") rows missing, such as $(head -n 1 <<<"$missing")"
		return 1
	}
}

if by_links; then
	load "$HL_SRC/test/functional/linked.bash"
fi
