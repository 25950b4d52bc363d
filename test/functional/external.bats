#!/usr/bin/env bats
# Nodes that use a NATS cluster of somebody else's: three servers of which one is lost, and what they keep.

load node.bash
load external.bash

servers="x1 x2 x3"

start_nodes()
{
	local n

	nats_make $servers
	nats_run $servers
	for n in n1 n2; do
		node_start "$n" NATS_URLS="$(nats_urls '' $servers)" REPLICATION_LOG_REPLICAS=3 \
		    NATS_SUBJECT_PREFIX=app.changes NATS_STREAM_PREFIX=app NATSSERVER_HANGTIMEOUT=4000
	done
	wait_until 20 in_network n1 n2
	wait_until 60 copies_are 3
	make_table n1 t
	subscribe n1 n2 t
}

times_made()	# how often n1 made its stream
{
	grep -c 'stream app_n1: made' "$HL_T/nodes/n1/log"
}

copies_are()	# copies_are N, of both streams: a server that the others have just heard of may be of no use to them for a while
{
	[ "$(nats_streams | jq -r '[.[].config.num_replicas] | unique | join(" ")')" = "$1" ]
}

own_servers()	# own_servers NODE: nats-servers that it runs itself
{
	pgrep -f "nats-server.*$(root "$1")/"
}

@test "no server of its own, one connection each, and the cluster's names" {
	insert n1 t '{"id":"a"}'
	insert n2 t '{"id":"b"}'
	same_rows 20 t n1 n2
	[ -z "$(own_servers n1)" ]
	ok n1 '{"operation":"cluster_status"}' '[.servers[] | .status == "running" and .external] | all'
	wait_until 20 no_warnings n1
	[ "$(nats_streams | jq -r '[.[].config | "\(.name) \(.num_replicas) \(.subjects[0])"] | unique | join(",")')" = \
	    "app_n1 3 app.changes.txn.n1.>,app_n2 3 app.changes.txn.n2.>" ]
	# No node deletes what is another one's.
	[ "$(times_made)" = 1 ]
}

@test "operations on routes say why not" {
	local routes='"routes":[{"host":"127.0.0.1","port":9932}]'

	refused n1 409 "{\"operation\":\"cluster_set_routes\",\"server\":\"hub\",$routes}" 'nats.urls'
	refused n1 409 "{\"operation\":\"cluster_delete_routes\",$routes}" 'nats.urls'
	ok n1 '{"operation":"cluster_get_routes"}' '. == {"hub":[],"leaf":[]}'
	ok n1 '{"operation":"cluster_network"}' '[.nodes[] | .routes == []] | all'
	ok n1 '{"operation":"get_configuration"}' '.nats.urls | length == 3'
}

under_load()	# under_load NAME COMMAND...: rows are written on both nodes meanwhile, of which none is lost
{
	local name=$1 n

	shift
	for n in n1 n2; do
		load_rows $n t "$HL_T/$name.$n" -k "$name-$n" -n 6000 -c 4 &
		echo $! >"$HL_T/load.$n"
	done
	wait_until 20 written "$HL_T/$name.n1" 500
	"$@"
	for n in n1 n2; do
		wait "$(cat "$HL_T/load.$n")"
		[ "$(wc -l <"$HL_T/$name.$n")" = 6000 ]
	done
	same_rows 120 t n1 n2
	for n in n1 n2; do
		holds_all $n t "$HL_T/$name.n1" "$HL_T/$name.n2"
	done
}

written()	# written FILE LINES
{
	[ "$(wc -l <"$1")" -ge "$2" ]
}

@test "the server that leads a stream is killed under load: nothing is lost" {
	local leader

	wait_until 60 nats_leader app_n1
	leader=$(nats_leader app_n1)
	under_load killed nats_end "$leader" KILL
	[ "$(own_servers n1)" = "" ]
	nats_run "$leader"
	wait_until 60 nats_level "$leader"
	under_load back true
}

damage()	# damage SERVER truncate|flip: what it keeps; it does not run
{
	local f size

	find "$HL_T/nats/$1/store" -type f -size +0 | while read -r f; do
		size=$(stat -c %s "$f")
		case $2 in
		truncate) truncate -s $((size / 2)) "$f" ;;
		flip) printf '\xa5' | dd of="$f" bs=1 seek=$((size / 3)) conv=notrunc status=none ;;
		esac
	done
}

damaged_start()	# damaged_start SERVER HOW
{
	nats_end "$1" KILL
	damage "$1" "$2"
	nats_spawn "$1"	# how long it needs to be of use again is its own matter
}

@test "its store is damaged, cut or with bytes flipped: the same" {
	local how leader

	for how in truncate flip; do
		wait_until 120 nats_leader app_n1
		leader=$(nats_leader app_n1)
		under_load "$how" damaged_start "$leader" "$how"
		under_load "$how-after" true
	done
}

@test "its store is gone: the same" {
	local leader

	wait_until 120 nats_leader app_n2
	leader=$(nats_leader app_n2)
	nats_end "$leader" KILL
	rm -rf "$HL_T/nats/$leader/store"
	under_load gone nats_spawn "$leader"
}


settings_to()	# settings_to NODE KEY=VALUE...: it is started anew with these
{
	local n=$1

	shift
	node_stop "$n"
	printf '%s\n' "$@" >>"$HL_T/nodes/$n/env"
	node_run "$n"
	wait_until 20 node_ready "$n"
}

made_anew()	# made_anew TIMES: more often than that
{
	[ "$(times_made)" -gt "$1" ]
}

@test "a stream whose only server is away is made anew on another, from the log" {
	local alone before n

	for n in n1 n2; do
		settings_to $n REPLICATION_LOG_REPLICAS=1
	done
	wait_until 120 copies_are 1
	wait_until 60 nats_leader app_n1
	alone=$(nats_leader app_n1)
	before=$(times_made)
	nats_end "$alone" KILL
	load_rows n1 t "$HL_T/alone.n1" -k alone -n 500 -c 4
	wait_until 60 holds_all n2 t "$HL_T/alone.n1"
	same_rows 20 t n1 n2
	# By then the rows are there all the same, as n2 has asked n1 for them.
	wait_until 60 made_anew "$before"
	wait_until 20 nats_leader app_n1
	nats_spawn "$alone"
	under_load alone-back true
}
