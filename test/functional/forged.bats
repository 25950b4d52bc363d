#!/usr/bin/env bats
# What a member says that no node of ours says: it costs nobody else anything.

load node.bash

start_nodes()
{
	node_start a
	node_start b
	mesh a b
	make_table a t
	subscribe a b t
	insert b t '{"id":"before"}'
	wait_until 10 has_row a t '"before"'
}

connect_nats()	# connect_nats NODE: as a member, on descriptor $nats
{
	exec {nats}<>"/dev/tcp/127.0.0.1/$(port "$1" leaf)"
	printf 'CONNECT {"user":"cluster","pass":"cluster-secret","verbose":false,"headers":true}\r\n' >&"$nats"
}

publish()	# publish SUBJECT REPLY BODY
{
	local LC_ALL=C

	printf 'PUB %s %s %d\r\n%s\r\n' "$1" "$2" "${#3}" "$3" >&"$nats"
}

# told [N]: waits for N answers and until the server has taken all; prints what came.
told()
{
	local line left=${1:-0}

	while [ "$left" -gt 0 ] && IFS= read -r -t 10 line <&"$nats"; do
		echo "${line%$'\r'}"
		[[ $line != *MSG\ * ]] || left=$((left - 1))
	done
	printf 'PING\r\n' >&"$nats"
	while IFS= read -r -t 10 line <&"$nats"; do
		line=${line%$'\r'}
		[ "$line" != PONG ] || break
		echo "$line"
	done
	exec {nats}>&-
}

offer_of()	# offer_of ID NAME(JSON): an offer that publishes t
{
	printf '{"id":"%s","name":%s,"formats":[1,255],"incarnation":1,"system_info":{},"strict":false,"subscriptions":[
	    {"database":"dev","table":"t","publish":true,"subscribe":true,"removed":false,
	    "stamp":[%d,1],"start_ms":0,"tables":[]}]}' "$1" "$2" "$(($(date +%s%3N) << 16))"
}

listed()	# listed NODE JQ: of its hdb_nodes
{
	ok "$1" '{"operation":"search_by_value","database":"system","table":"hdb_nodes",
	    "search_attribute":"name","search_value":"*","get_attributes":["*"]}' "$2"
}

tables_go_on()
{
	insert b t "{\"id\":\"$1\"}"
	wait_until 20 has_row a t "\"$1\""
}

@test "offers of a node with a name that is none are refused, and nobody else's end" {
	local name i=0

	for name in '"x y"' '""' '"*"' '"x..y"' '"x\ty"' '"x\u0001y"' "\"$(printf 'x%.0s' {1..3000})\""; do
		i=$((i + 1))
		connect_nats b
		printf 'SUB _INBOX.forged.* 1\r\n' >&"$nats"
		publish hl.req.a.subscriptions _INBOX.forged.1 "$(offer_of "$(printf '%032x' "$i")" "$name")"
		told 1 >"$HL_T/told"
		grep -q '"status":400' "$HL_T/told"
	done
	listed a 'length == 1'
	tables_go_on named
	node_stop a
	node_run a
	tables_go_on again
}

@test "tables with names that none can have are refused at the door, and none is made" {
	local name offer i=100 long

	long=$(printf 'x%.0s' {1..251})
	for name in 'a/b' 'é' 'a\tb' 'a`b' "$long"; do
		i=$((i + 1))
		offer=$(offer_of "$(printf '%032x' "$i")" '"ghost"')
		offer=${offer/'"tables":[]'/'"tables":[{"table":"t","id":1,"head":0,"head_mark":0,"head_ms":0,
		    "definition":{"primary_key":"id","attributes":[],"declared":false,"audit":true}}]'}
		connect_nats b
		printf 'SUB _INBOX.forged.* 1\r\n' >&"$nats"
		publish hl.req.a.subscriptions _INBOX.forged.1 "${offer/'"dev"'/"\"$name\""}"
		publish hl.req.a.subscriptions _INBOX.forged.1 "${offer/'"t"'/"\"$name\""}"
		# A key that cannot be: there is no such table.
		offer=${offer/'"dev"'/'"new"'}
		publish hl.req.a.subscriptions _INBOX.forged.1 "${offer/'"id","attr'/"\"$name\",\"attr"}"
		told 2 >"$HL_T/told"
		[ "$(grep -c '"status":400' "$HL_T/told")" = 2 ]
	done
	ok a '{"operation":"describe_all"}' 'keys == ["dev"] and (.dev | keys) == ["t"]'
	ok a '{"operation":"remove_node","node_name":"ghost"}'
	tables_go_on tables
}

@test "an answer goes to inboxes only" {
	local i

	connect_nats b
	publish hl.req.a.status hl.txn.a.dev.t "$(offer_of "$(printf '%032x' 99)" '"x"')"
	publish hl.req.a.nothing "\$JS.API.STREAM.PURGE.HL_a" '{}'
	publish hl.ping "\$JS.API.STREAM.PURGE.HL_a" 'b'
	publish hl.catchup.a "\$JS.API.STREAM.DELETE.HL_a" 'x'
	for i in {1..200}; do
		publish hl.req.a.nothing hl.req.a.nothing x
		publish hl.req.a.subscriptions _INBOX.nowhere "$(offer_of "$(printf '%032x' "$i")" '"x..y"')"
	done
	told
	tables_go_on inbox
	insert a t '{"id":"to b"}'
	wait_until 10 has_row b t '"to b"'
	# Made once, and never in doubt; what others cause is not told without end.
	[ "$(grep -c 'stream HL_a: made' "$HL_T/nodes/a/log")" = 1 ]
	[ "$(grep -Ec 'publish: message|no frame' "$HL_T/nodes/a/log")" = 0 ]
	[ "$(grep -Ec 'is no inbox|subscriptions of node' "$HL_T/nodes/a/log")" -le 30 ]
}

@test "what is no frame in a stream, or a damaged one, is dropped and counted" {
	local wire

	wire=$(wire_format)
	connect_nats b
	publish hl.txn.b.dev.t '' "$(printf %b "\\0$(printf %03o "$wire")abcd and what a checksum of abcd is not of")"
	publish hl.txn.b.dev.t '' "$(printf %b "\\0$(printf %03o $((wire + 1)))abcd of the next format")"
	publish hl.txn.b.dev.t '' x
	told
	wait_until 20 broken a 3
	grep -q 'frame of node b .* is dropped: it was damaged on its way' "$HL_T/nodes/a/log"
	grep -q 'frame of node b .* is dropped: it is of format '$((wire + 1))', and' "$HL_T/nodes/a/log"
	tables_go_on damaged
	same_rows 20 t a b
}

broken()	# broken NODE N: so many frames
{
	curl -s -u "$HL_USER:$HL_PASSWORD" "http://127.0.0.1:$(port "$1" api)/metrics" |
	    grep -Fqx "hubleaf_broken_messages_total{of=\"frame\"} $2"
}

@test "1,001 nodes that do not exist: no more than 1,000 are taken, and each can be removed" {
	local i

	connect_nats b
	for i in $(seq 1 1001); do
		publish hl.req.a.subscriptions _INBOX.nowhere "$(offer_of "$(printf 'f%031x' "$i")" "\"f$i\"")"
		[ $((i % 50)) != 0 ] || sleep 0.2
	done
	told
	wait_until 20 listed a 'length == 1000'
	tables_go_on many
	node_kill a leafd
	tables_go_on restarted
	ok a '{"operation":"remove_node","node_name":"f7"}'
	listed a 'length == 999'
	node_stop a
	node_run a
	tables_go_on last
}
