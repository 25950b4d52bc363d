#!/usr/bin/env bats
# Snapshots in an object store of JetStream: any client of NATS lists and reads them, and a node whose peers'
# logs do not reach back begins with one of theirs.

load node.bash

start_nodes()
{
	over_nats
	for n in n1 n2 n3 n4 n5; do
		node_make "$n" SNAPSHOT_ENABLED=true
	done
	node_run n1
	node_run n2
	snapshots_every 1s n1 n2
	mesh n1 n2
}

fill()		# fill NODE TABLE FROM COUNT: rows of some size
{
	jq -nc --arg t "$2" --argjson from "$3" --argjson n "$4" '{operation: "upsert", database: "dev",
	    table: $t, records: [range($from; $from + $n) | {id: ., v: "\(. * 7919) \(. * 104729)"}]}' >"$HL_T/fill.json"
	ok "$1" "@$HL_T/fill.json"
}

newest()	# newest NODE: the name of the newest snapshot that it took or knows of
{
	ask "$1" '{"operation":"cluster_status"}' | jq -re '.snapshots.newest'
}

is_after()	# is_after NAME: one of the two has a newer one
{
	local n now

	for n in n1 n2; do
		if now=$(newest "$n") && [[ $now > $1 ]]; then return 0; fi
	done
	return 1
}

ages()		# the snapshot that comes is of all that was written before this
{
	local now

	now=$(date -u +%Y%m%dT%H%M%S.%3NZ)
	upsert n1 moves "{\"id\":\"$now\"}"
	wait_until 40 is_after "$now"
}

@test "one is taken, and is an object of the store" {
	# Of tables that are made later, each has all.
	ok n1 '{"operation":"create_database","database":"dev"}'
	subscribe n1 n2 '*'
	make_table n1 t
	make_table n1 moves
	fill n1 t 0 20000
	fill n2 t 30000 5000
	same_rows 30 t n1 n2
	delete n2 t 7
	same_rows 30 t n1 n2
	ages
	if grep "snapshots:.*warn" "$HL_T"/nodes/n[12]/log; then return 1; fi
}

objects()	# objects NODE [missing|flipped]: what a client of NATS has of its store
{
	[ -d "$HL_T/client/node_modules" ] || npm_packages client
	HL_NATS="nats://127.0.0.1:$(port "$1" leaf)" HL_USER=cluster HL_PASSWORD=cluster-secret HL_HURT=${2:-} \
	    timeout 60 node "$HL_T/client/objects.js" 2>&1
}

taker()		# the one of the two that takes them
{
	local n

	for n in n1 n2; do
		if ask "$n" '{"operation":"cluster_status"}' | jq -e '.snapshots.rank == 2 and .snapshots.before == 0' >/dev/null; then
			echo "$n"
			return 0
		fi
	done
	return 1
}

@test "a client of NATS lists it, and reads what its digest says" {
	for n in n1 n2; do
		objects "$n" >"$HL_T/objects.$n" || grep 'stream not found' "$HL_T/objects.$n"
	done
	cat "$HL_T"/objects.n[12] >&2
	grep -h "^20.*\.snapshot [0-9]* HLSNAP" "$HL_T"/objects.n[12]
	[ "$(grep -c snapshot "$HL_T/objects.$(taker)")" -le 2 ]
}

taking()
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e '.snapshots.taking'
}

none_is_left()	# nothing in the store but what has a name
{
	objects "$1" >"$HL_T/objects"
	[ "$(sed -n 's/^chunks of //p' "$HL_T/objects")" = "$(grep -c snapshot "$HL_T/objects")" ]
}

@test "leafd, and opsd, killed while one is put there: the next is whole, and nothing is left over" {
	local n p
	n=$(taker)

	for from in {40000..60000..4000}; do
		fill_large n1 t "$from" 4000
	done
	same_rows 40 t n1 n2
	for p in leafd opsd; do
		upsert n1 moves "{\"id\":\"$p\"}"
		wait_until 60 taking "$n"
		node_kill "$n" "$p"
		wait_until 20 node_answers "$n"
		ages
	done
	wait_until 20 none_is_left "$n"
	objects "$n" | grep "^20.*\.snapshot [0-9]* HLSNAP"
}

fill_large()	# fill_large NODE TABLE FROM COUNT: rows that no compression makes small
{
	head -c $(($4 * 750)) /dev/urandom | base64 -w 1000 |
	    jq -Rnc --arg t "$2" --argjson from "$3" '{operation: "upsert", database: "dev", table: $t,
	    records: [foreach inputs as $v ($from - 1; . + 1; {id: ., v: $v})]}' >"$HL_T/fill.json"
	ok "$1" "@$HL_T/fill.json"
}

@test "a node that comes after the logs were cut begins with one, and goes on where it stands" {
	ages
	for n in n1 n2; do
		ok "$n" '{"operation":"purge_stream","database":"dev","table":"t","options":{"force":true}}'
	done
	insert n1 t '{"id":"after the purge"}'
	node_run n3
	snapshots_every 1s n3
	mesh n1 n2 n3
	subscribe n3 n1 t true true 2020-01-01T00:00:00.000Z
	subscribe n3 n2 t true true 2020-01-01T00:00:00.000Z
	same_rows 40 t n1 n2 n3
	has_no_row n3 t 7
	has_row n3 t '"after the purge"'
	grep "snapshots: .* tables with .* rows are restored" "$HL_T/nodes/n3/log"
	if grep "copy of dev.t from node .* is whole" "$HL_T/nodes/n3/log"; then return 1; fi
	insert n3 t '{"id":"from the new one"}'
	same_rows 20 t n1 n2 n3
}

begins()	# begins NODE: it restores one
{
	grep 'snapshots: [^ ]*\.snapshot is restored' "$HL_T/nodes/$1/log"
}

looks()		# looks NODE: it fetches one
{
	[ -s "$(root "$1")/snapshot.fetched" ]
}

quiet()		# quiet NODE: nothing changes, so that the two that are there stay
{
	local now

	now=$(newest "$1")
	if [ "$now" != "${quiet_name:-}" ]; then
		quiet_name=$now
		quiet_since=$SECONDS
	fi
	[ $((SECONDS - quiet_since)) -ge 5 ]
}

comes()		# comes NODE: with nothing, after the logs were cut
{
	node_run "$1"
	route "$1" n1
	wait_until 20 in_network "$1" n1 n2 "${@:2}"
	for n in n1 n2 n3; do
		subscribe "$1" "$n" t true true 2020-01-01T00:00:00.000Z
	done
}

@test "damaged objects are refused in words, and what no whole one had is copied" {
	local n
	n=$(taker)

	ages
	ages
	# That another node subscribes is news.
	snapshots_every 1h n1 n2 n3
	quiet_name=
	wait_until 40 quiet "$n"
	objects "$n" missing
	comes n4 n3
	same_rows 60 t n1 n2 n3 n4
	grep 'snapshots: .* is not used: it is damaged: a part of it is not there; the one before it is looked at' "$HL_T/nodes/n4/log"
	grep "snapshots: .* tables with .* rows are restored" "$HL_T/nodes/n4/log"
	node_stop n4
	quiet_name=
	wait_until 40 quiet "$n"
	objects "$n" flipped || true
	objects "$n" >"$HL_T/objects" || grep -i 'digest\|sum' "$HL_T/objects"
	snapshots_every 1s n1 n2 n3
}

@test "leafd, and opsd, killed while one is fetched and restored: it begins with one all the same" {
	ages
	for n in n1 n2; do
		ok "$n" '{"operation":"purge_stream","database":"dev","table":"t","options":{"force":true}}'
	done
	comes n5 n3
	wait_until 40 looks n5
	node_kill n5 leafd
	wait_until 60 begins n5
	node_kill n5 opsd
	wait_until 20 node_answers n5
	same_rows 60 t n1 n2 n3 n5
	grep "snapshots: .* tables with .* rows are restored" "$HL_T/nodes/n5/log"
	[ ! -e "$(root n5)/snapshot.fetched" ]
}
