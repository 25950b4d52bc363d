#!/usr/bin/env bats
# The same rows changed on several nodes at once: all come to hold the same.

load node.bash

start_nodes()
{
	node_start n1
	node_start n2
	node_start n3
	mesh n1 n2 n3
}

table()		# a table that all three share
{
	make_table n1 "$1"
	subscribe n1 n2 "$1"
	subscribe n1 n3 "$1"
	subscribe n2 n3 "$1"
}

cut_off()	# nothing gets in or out of the node
{
	node_kill "$1" leaf STOP
}

heal()
{
	node_kill "$1" leaf CONT
}

@test "the same rows upserted on three nodes at once are the same everywhere" {
	table same
	load_rows n1 same "$HL_T/same.1" -m upsert -n 3000 -c 8 -s 11 &
	load_rows n2 same "$HL_T/same.2" -m upsert -n 3000 -c 8 -s 22 &
	load_rows n3 same "$HL_T/same.3" -m upsert -n 3000 -c 8 -s 33
	wait
	same_rows 20 same n1 n2 n3
	[ "$(rows n1 dev same | wc -l)" = 3000 ]
}

@test "different attributes of one row, changed on two nodes: both win" {
	table attrs
	insert n1 attrs '{"id":1,"a":0,"b":0,"c":0}'
	wait_until 5 has_row n2 attrs 1
	wait_until 5 has_row n3 attrs 1
	cut_off n2
	update n1 attrs '{"id":1,"a":1}'
	update n2 attrs '{"id":1,"b":2}'
	update n3 attrs '{"id":1,"c":3}'
	heal n2
	same_rows 20 attrs n1 n2 n3
	[ "$(row n1 attrs 1 | jq -c '[.a,.b,.c]')" = "[1,2,3]" ]
}

@test "the same attribute: the later write wins" {
	table later
	insert n1 later '{"id":1,"a":0}'
	wait_until 5 has_row n2 later 1
	cut_off n2
	update n2 later '{"id":1,"a":"early"}'
	sleep 0.05
	update n1 later '{"id":1,"a":"late"}'
	heal n2
	same_rows 20 later n1 n2 n3
	[ "$(row n2 later 1 | jq -r .a)" = late ]
}

@test "an update never brings back what was deleted elsewhere" {
	table gone
	insert n1 gone '{"id":1,"a":0},{"id":2,"a":0}'
	wait_until 5 has_row n2 gone 2
	cut_off n2
	delete n1 gone '1,2'
	sleep 0.05
	update n2 gone '{"id":1,"a":1}'
	heal n2
	for n in n1 n2 n3; do
		wait_until 20 has_no_row $n gone 1
		wait_until 20 has_no_row $n gone 2
	done
	same_rows 5 gone n1 n2 n3
}

@test "an upsert later than the delete brings the row back with what it gave" {
	table back
	insert n1 back '{"id":1,"a":0,"b":0}'
	wait_until 5 has_row n2 back 1
	cut_off n2
	delete n1 back 1
	sleep 0.05
	upsert n2 back '{"id":1,"b":5}'
	heal n2
	wait_until 20 has_row n1 back 1
	same_rows 20 back n1 n2 n3
	[ "$(row n1 back 1 | jq -c '[.a,.b]')" = '[null,5]' ]
}

@test "two inserts of one key: the later one is the row, nothing is mixed" {
	table twice
	cut_off n2
	insert n2 twice '{"id":1,"from":"n2","only2":1}'
	sleep 0.05
	insert n1 twice '{"id":1,"from":"n1","only1":1}'
	heal n2
	wait_until 20 has_row n2 twice 1 '.from == "n1"'
	same_rows 20 twice n1 n2 n3
	[ "$(row n2 twice 1 | jq -c '[.from,.only1,.only2]')" = '["n1",1,null]' ]
}

some_changes()	# NODE: a few hundred at random, on few rows
{
	local kind op

	for _ in $(seq 150); do
		op=$((RANDOM % 5))
		case $op in
		0) kind='"operation":"insert","records":[{"id":'$((RANDOM % 8))',"a'$((RANDOM % 3))'":'$RANDOM'}]' ;;
		1) kind='"operation":"delete","ids":['$((RANDOM % 8))']' ;;
		2) kind='"operation":"upsert","records":[{"id":'$((RANDOM % 8))',"a'$((RANDOM % 3))'":'$RANDOM'}]' ;;
		*) kind='"operation":"update","records":[{"id":'$((RANDOM % 8))',"a'$((RANDOM % 3))'":'$RANDOM'}]' ;;
		esac
		ask "$1" "{\"database\":\"dev\",\"table\":\"mix\",$kind}" >/dev/null
	done
}

@test "random changes of few rows on three nodes, cut and healed, come out equal" {
	table mix
	some_changes n1 &
	some_changes n2 &
	some_changes n3 &
	sleep 1
	cut_off n3
	sleep 1
	heal n3
	wait
	insert n1 mix '{"id":"end1"}'
	insert n2 mix '{"id":"end2"}'
	insert n3 mix '{"id":"end3"}'
	for n in n1 n2 n3; do
		for e in end1 end2 end3; do
			wait_until 20 has_row $n mix "\"$e\""
		done
	done
	same_rows 5 mix n1 n2 n3
}
