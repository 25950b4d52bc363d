#!/usr/bin/env bats
# Rows of a table with an expiration leave each of two nodes by its own clock.

load node.bash

start_nodes()
{
	for n in n1 n2; do
		clock_make $n CLUSTERING_MAXCLOCKSKEW=86400000
		node_run $n
		wait_until 20 node_ready $n
	done
	mesh n1 n2
	ok n1 '{"operation":"create_table","database":"dev","table":"e","primary_key":"id","expiration":1000}'
	subscribe n1 n2 e
	insert n1 e '{"id":"old","a":1},{"id":"renewed","a":1},{"id":"updated","a":1,"b":1},{"id":"upserted","a":1,"b":1}'
	wait_until 5 counts n2 e 4
	# One without an expiration on the other side
	make_table n2 keep
	insert n2 keep '{"id":1},{"id":2}'
	ok n1 '{"operation":"create_table","database":"dev","table":"keep","primary_key":"id","expiration":1000}'
	subscribe n1 n2 keep true true 2000-01-01T00:00:00.000Z
	wait_until 5 counts n1 keep 2
}

@test "the node that gets the table takes its expiration over" {
	ok n2 '{"operation":"describe_table","database":"dev","table":"e"}' '.expiration == 1000'
}

@test "a node whose clock is there lets them go, and tells no other" {
	clock_set n1 900000
	clock_set n2 900000
	update n2 e '{"id":"renewed","a":2}'
	wait_until 5 has_row n1 e '"renewed"' '.a == 2'
	clock_set n1 1100000
	wait_until 20 counts n1 e 1
	has_row n1 e '"renewed"'
	counts n2 e 4
	ok n1 '{"operation":"read_transaction_log","database":"dev","table":"e"}' \
	    '[.[].operation] == ["insert"]'
}

@test "one that is changed elsewhere in time comes back whole" {
	update n2 e '{"id":"updated","b":2}'
	upsert n2 e '{"id":"upserted","b":2}'
	wait_until 5 has_row n1 e '"updated"' '.a == 1 and .b == 2'
	wait_until 5 has_row n1 e '"upserted"' '.a == 1 and .b == 2'
}

@test "then all of them are gone everywhere, and the others are the same" {
	clock_set n2 1100000
	wait_until 20 counts n2 e 3
	has_no_row n2 e '"old"'
	same_rows 5 e n1 n2
}

@test "a side without an expiration keeps them, and what it changes brings what it gives" {
	wait_until 20 counts n1 keep 0
	counts n2 keep 2
	update n2 keep '{"id":1,"a":1}'
	upsert n2 keep '{"id":2,"a":2}'
	wait_until 5 has_row n1 keep 2 '.a == 2'
	has_no_row n1 keep 1
	has_row n2 keep 1 '.a == 1'
}
