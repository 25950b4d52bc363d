#!/usr/bin/env bats
# Hosts with addresses of their own, and what goes wrong on the way between them.

load net.bash

start_nodes()
{
	local n

	net_begin 7
	for n in n1 n2 n3; do
		node_start $n
	done
	mesh n1 n2 n3
	make_table n1 t
	subscribe n1 n2 t
	subscribe n1 n3 t
	subscribe n2 n3 t
}

rows_from()	# rows_from ID NODE...: each inserts one
{
	local n

	for n in "${@:2}"; do
		insert "$n" t "{\"id\":\"$1 of $n\"}"
	done
}

@test "what one writes the others have" {
	rows_from first n1 n2 n3
	wait_until 10 counts n1 t 3
	same_rows 10 t n1 n2 n3
}

@test "delay, loss, frames that come twice and overtake each other: equal tables" {
	local came lost twice overtaken

	net all all delay=5 jitter=20 loss=10 twice=10
	load_rows n1 t "$HL_T/one" -k a -m upsert -n 600 -c 8 &
	load_rows n2 t "$HL_T/two" -k a -m upsert -n 600 -c 8 &
	load_rows n3 t "$HL_T/three" -k b -n 600 -c 8
	wait
	same_rows 60 t n1 n2 n3
	counts n1 t 1203
	read -r came lost twice overtaken < <(net counts)
	echo "$came frames, $lost lost, $twice twice, $overtaken overtaken"
	[ "$lost" -gt 0 ]
	[ "$twice" -gt 0 ]
	[ "$overtaken" -gt 0 ]
	in_network n1 n2 n3
	net reset
}

@test "a partition: both sides write, say who is away, and are equal when it heals" {
	net_between n3 all cut=1
	rows_from parted n1 n2 n3
	wait_until 10 has_row n2 t '"parted of n1"'
	wait_until 30 in_network n3
	wait_until 10 in_network n1 n2
	wait_until 10 in_network n2 n1
	has_no_row n3 t '"parted of n1"'
	has_no_row n1 t '"parted of n3"'
	load_rows n1 t "$HL_T/parted" -k p -n 300 -c 4
	net reset
	wait_until 40 in_network n3 n1 n2
	same_rows 20 t n1 n2 n3
	holds_all n3 t "$HL_T/parted"
	has_row n1 t '"parted of n3"'
}

@test "a cut of one direction: both ends give the link up, and it comes back" {
	net n1 n2 cut=1
	rows_from oneway n1 n2 n3
	wait_until 30 in_network n1 n3
	wait_until 10 in_network n2 n3
	wait_until 10 has_row n3 t '"oneway of n1"'
	wait_until 10 has_row n3 t '"oneway of n2"'
	has_no_row n2 t '"oneway of n1"'
	net reset
	wait_until 40 in_network n1 n2 n3
	same_rows 20 t n1 n2 n3
}

linked()	# linked NODE OTHER
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e --arg n "$2" 'any(.connections[]; .name == $n and .status == "open")'
}

from_outside()	# connections to where n4 listens
{
	$(within n4) ss -Htn state established "sport = $(port n4 link)"
}

@test "an edge that lets nobody in works both ways over the link that it dials" {
	net all n4 dial=0
	node_start n4
	route n4 n1
	wait_until 20 linked n4 n1
	make_table n1 edge
	subscribe n1 n4 edge
	insert n1 edge '{"id":"of n1"}'
	insert n4 edge '{"id":"of n4"}'
	wait_until 10 has_row n4 edge '"of n1"'
	wait_until 10 has_row n1 edge '"of n4"'
	[ -z "$(from_outside)" ]
	# It dials again by itself.
	node_kill n1 leafd
	insert n1 edge '{"id":"after of n1"}'
	insert n4 edge '{"id":"after of n4"}'
	wait_until 20 has_row n4 edge '"after of n1"'
	wait_until 20 has_row n1 edge '"after of n4"'
	[ -z "$(from_outside)" ]
}

# ---- hosts that know one member, and no authority: n5, n6 and n7 ----

joining_node()	# joining_node NODE: everything replicates, and what the others lack stays for a short time
{
	node_make "$1" CLUSTERING_LEAFSERVER_STREAMS_MAXAGE=2 "OPERATIONSAPI_NETWORK_HOST=127.0.0.1,$(node_address "$1")"
	sed -i '/^  databases:/d; /^  tls:/,/^    certificateAuthority:/d
	    s|^    port: '"$(port "$1" api)"'$|&\n    securePort: '"$(port "$1" leafnodes)"'|' "$HL_T/nodes/$1/hubleaf.yaml"
	sed -i '/CONSENT\|RELAYS/d' "$HL_T/nodes/$1/env"
	sed -i '/^  consent:/d; /^  relays:/d' "$HL_T/nodes/$1/hubleaf.yaml"
	node_run "$1"
}

join()		# join NODE MEMBER: by a token of it
{
	local token

	token=$(ask "$2" '{"operation":"create_join_token"}' | jq -r .token)
	ok "$1" "{\"operation\":\"add_node\",\"hostname\":\"$2\",\"port\":$(port "$2" link),
	    \"operations_port\":$(port "$2" leafnodes),\"authorization\":\"$token\"}"
}

@test "who joins one host by a token finds the others, and is linked with all" {
	local n

	for n in n5 n6 n7; do
		joining_node $n
	done
	make_table n5 j
	insert n5 j '{"id":"of n5"}'
	join n6 n5
	join n7 n5
	wait_until 20 linked n7 n6
	wait_until 20 linked n6 n7
	wait_until 20 has_row n7 j '"of n5"'
	# Not by way of the one that both have joined.
	net_between n5 all cut=1
	insert n7 j '{"id":"of n7"}'
	wait_until 10 has_row n6 j '"of n7"'
	insert n6 j '{"id":"of n6"}'
	wait_until 10 has_row n7 j '"of n6"'
	net reset
	wait_until 40 in_network n5 n6 n7
	same_rows 20 j n5 n6 n7
}

log_is_empty()	# log_is_empty NODE: nobody gets what was written to j there from its log
{
	ask "$1" '{"operation":"read_transaction_log","database":"dev","table":"j"}' | jq -e '. == []'
}

copies()	# copies NODE: how often it began to copy j
{
	grep -c 'cursor dev.j from node .*: copy' "$HL_T/nodes/$1/log"
}

@test "away for longer than logs are kept: one copy, which removes nothing; what was deleted goes" {
	local before

	before=$(copies n7)
	net_between n7 all cut=1
	wait_until 30 in_network n5 n6
	insert n7 j '{"id":"alone of n7"}'
	insert n5 j '{"id":"meanwhile of n5"}'
	insert n6 j '{"id":"meanwhile of n6"}'
	delete n5 j '"of n7"'
	wait_until 40 log_is_empty n5
	wait_until 40 log_is_empty n6
	net reset
	wait_until 40 in_network n7 n5 n6
	same_rows 30 j n5 n6 n7
	has_row n7 j '"meanwhile of n6"'
	has_row n5 j '"alone of n7"'
	wait_until 5 has_no_row n7 j '"of n7"'
	[ $(($(copies n7) - before)) = 1 ]
}
