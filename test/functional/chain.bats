#!/usr/bin/env bats
# n1 - n2 - n3: subscriptions only between neighbours, the middle republishes.

load node.bash

start_nodes()
{
	node_start n1
	node_start n2 CLUSTERING_REPUBLISHMESSAGES=true
	node_start n3
	mesh n1 n2 n3
}

@test "what one end writes reaches the other, in both directions" {
	make_table n2 relay
	subscribe n2 n1 relay
	subscribe n2 n3 relay
	insert n1 relay '{"id":"one","a":1}'
	insert n3 relay '{"id":"three","a":3}'
	insert n2 relay '{"id":"two","a":2}'
	for n in n1 n2 n3; do
		wait_until 5 counts $n relay 3
	done
	update n3 relay '{"id":"one","b":1}'
	delete n1 relay '"three"'
	wait_until 5 has_row n1 relay '"one"' '.b == 1'
	wait_until 5 has_no_row n3 relay '"three"'
	same_rows 5 relay n1 n2 n3
}

@test "nothing echoes: the logs of the ends hold only their own" {
	make_table n2 quiet
	subscribe n2 n1 quiet
	subscribe n2 n3 quiet
	insert n1 quiet '{"id":1}'
	wait_until 5 has_row n3 quiet 1
	sleep 1
	ok n1 '{"operation":"read_transaction_log","database":"dev","table":"quiet"}' 'length == 1'
	ok n2 '{"operation":"read_transaction_log","database":"dev","table":"quiet"}' 'length == 1'
	ok n3 '{"operation":"read_transaction_log","database":"dev","table":"quiet"}' 'length == 0'
}

@test "load from both ends at once comes out equal on all three" {
	make_table n2 busy
	subscribe n2 n1 busy
	subscribe n2 n3 busy
	load_rows n1 busy "$HL_T/busy.1" -k a -n 2000 -c 8 &
	load_rows n3 busy "$HL_T/busy.3" -k b -n 2000 -c 8 &
	load_rows n2 busy "$HL_T/busy.2" -m upsert -k a -n 1000 -c 4
	wait
	for n in n1 n2 n3; do
		wait_until 20 counts $n busy 4000
	done
	same_rows 10 busy n1 n2 n3
}

@test "a ring with every node republishing comes to rest" {
	for n in n1 n3; do
		ok $n '{"operation":"set_configuration","clustering_republishMessages":true}'
	done
	make_table n1 ring
	subscribe n1 n2 ring
	subscribe n2 n3 ring
	subscribe n3 n1 ring
	load_rows n1 ring "$HL_T/ring.1" -m upsert -k r -n 500 -c 4 &
	load_rows n2 ring "$HL_T/ring.2" -m upsert -k r -n 500 -c 4 &
	load_rows n3 ring "$HL_T/ring.3" -m upsert -k r -n 500 -c 4
	wait
	same_rows 20 ring n1 n2 n3
	before=$(heads)
	sleep 2
	[ "$(heads)" = "$before" ]
}

heads()		# how far each log is
{
	for n in n1 n2 n3; do
		ask $n '{"operation":"cluster_status"}' | jq -c '[.connections[].subscriptions[] |
		    select(.table == "ring") | .cursor]'
	done
}

@test "the middle restarted in between loses nothing" {
	make_table n2 middle
	subscribe n2 n1 middle
	subscribe n2 n3 middle
	load_rows n1 middle "$HL_T/middle.1" -k m -d 4 -r 500 -c 4 &
	sleep 1
	node_stop n2
	node_run n2
	wait
	insert n1 middle '{"id":"last"}'
	wait_until 20 has_row n3 middle '"last"'
	same_rows 10 middle n1 n2 n3
	holds_all n3 middle "$HL_T/middle.1"
}
