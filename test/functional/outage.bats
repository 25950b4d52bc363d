#!/usr/bin/env bats
# A node that was down, or cut off, catches up.

load node.bash

start_nodes()
{
	node_start n1
	node_start n2
	mesh n1 n2
}

@test "down for 50000 transactions, it catches up exactly" {
	make_table n1 big
	subscribe n1 n2 big
	insert n1 big '{"id":"before"}'
	wait_until 5 has_row n2 big '"before"'
	node_stop n2
	load_rows n1 big "$HL_T/big.1" -n 50000
	[ "$(wc -l <"$HL_T/big.1")" = 50000 ]
	update n1 big '{"id":"r-0","changed":true}'
	delete n1 big '"r-1"'
	node_run n2
	wait_until 60 counts n2 big 50000
	wait_until 5 has_row n2 big '"r-0"' '.changed'
	same_rows 10 big n1 n2
}

@test "writes go on while nobody else is there, and with the servers down" {
	make_table n1 alone
	subscribe n1 n2 alone
	node_stop n2
	node_kill n1 hubd STOP
	node_kill n1 leafd STOP
	insert n1 alone '{"id":1}'
	has_row n1 alone 1
	node_kill n1 leafd CONT
	node_kill n1 hubd CONT
	node_run n2
	wait_until 30 has_row n2 alone 1
}

@test "cut off for some seconds, both sides go on and come together" {
	make_table n1 cut
	subscribe n1 n2 cut
	node_kill n2 hub STOP
	load_rows n1 cut "$HL_T/cut.1" -k a -n 2000 -c 8
	load_rows n2 cut "$HL_T/cut.2" -k b -n 2000 -c 8
	sleep 3
	node_kill n2 hub CONT
	wait_until 40 counts n1 cut 4000
	wait_until 40 counts n2 cut 4000
	same_rows 10 cut n1 n2
}

now_iso()
{
	date -u +%Y-%m-%dT%H:%M:%S.%3NZ
}

@test "start_time fills in exactly what was written since" {
	make_table n1 since
	insert n1 since '{"id":"old 1"},{"id":"old 2","a":1}'
	sleep 0.1
	start=$(now_iso)
	sleep 0.1
	insert n1 since '{"id":"new 1"}'
	update n1 since '{"id":"old 2","b":2}'
	insert n1 since '{"id":"new 2"}'
	delete n1 since '"old 1"'
	subscribe n1 n2 since true false "$start"
	insert n1 since '{"id":"live"}'
	wait_until 10 has_row n2 since '"live"'
	wait_until 10 has_row n2 since '"new 1"'
	wait_until 10 has_row n2 since '"new 2"'
	sleep 0.5
	has_no_row n2 since '"old 1"'
	has_no_row n2 since '"old 2"'
	[ "$(row n1 since '"new 1"')" = "$(row n2 since '"new 1"')" ]
	[ "$(ids n2 since | paste -sd ,)" = "live,new 1,new 2" ]
}

@test "start_time while another table of that peer is busy" {
	make_table n1 hot
	make_table n1 filled
	subscribe n1 n2 hot
	load_rows n1 filled "$HL_T/filled" -k f -n 3000 -c 16
	load_rows n1 hot "$HL_T/hot" -k h -d 5 -r 400 -c 4 &
	sleep 0.5
	subscribe n1 n2 filled true false 2020-01-01T00:00:00.000Z
	wait_until 10 counts n2 filled 3000
	wait
	same_rows 10 filled n1 n2
	same_rows 10 hot n1 n2
	holds_all n2 hot "$HL_T/hot"
}

@test "a full disk refuses writes and holds what comes in; with room again both go on" {
	make_table n1 full
	subscribe n1 n2 full
	insert n1 full '{"id":"room"}'
	wait_until 10 has_row n2 full '"room"'
	# So much is never free.
	ok n2 '{"operation":"set_configuration","storage_reserve":1000000000000000}'
	wait_until 5 refused n2 507 '{"operation":"insert","database":"dev","table":"full","records":[{"id":"no"}]}'
	has_row n2 full '"room"'
	insert n1 full '{"id":"held 1"},{"id":"held 2"}'
	sleep 1
	has_no_row n2 full '"held 1"'
	ok n2 '{"operation":"set_configuration","storage_reserve":0}'
	wait_until 15 has_row n2 full '"held 2"'
	insert n2 full '{"id":"again"}'
	same_rows 15 full n1 n2
}
