#!/usr/bin/env bats
# Large transactions: whole or not at all.

load node.bash

start_nodes()
{
	node_start n1
	node_start n2
	mesh n1 n2
}

request()	# request TABLE ROWS BYTES: an insert of so many rows with so much in each
{
	awk -v t="$1" -v n="$2" -v b="$3" 'BEGIN {
		for (p = ""; length(p) < b;) p = p "xyz0123456789";
		printf "{\"operation\":\"insert\",\"database\":\"dev\",\"table\":\"%s\",\"records\":[", t
		for (i = 0; i < n; i++)
			printf "%s{\"id\":%d,\"pad\":\"%s\"}", i ? "," : "", i, substr(p, 1, b)
		print "]}"
	}' >"$HL_T/request"
}

counts_only()	# counts_only NODE TABLE N: until it is N, nothing else but 0 is seen
{
	local n end=$((SECONDS + 20))

	while [ $SECONDS -lt $end ]; do
		n=$(ask "$1" "{\"operation\":\"search_by_value\",\"database\":\"dev\",\"table\":\"$2\",
		    \"search_attribute\":\"id\",\"search_value\":\"*\",\"get_attributes\":[\"id\"]}" | jq length)
		[ "$n" != "$3" ] || return 0
		[ "$n" = 0 ] || {
			echo "saw $n rows of $3"
			return 1
		}
	done
	return 1
}

@test "20000 rows in one request arrive whole" {
	make_table n1 whole
	subscribe n1 n2 whole
	request whole 20000 200
	[ "$(stat -c %s "$HL_T/request")" -gt 4000000 ]
	ok n1 @"$HL_T/request" '.inserted_hashes | length == 20000'
	counts_only n2 whole 20000
	same_rows 10 whole n1 n2
}

@test "the receiver killed meanwhile has all of it or nothing" {
	make_table n1 killed
	subscribe n1 n2 killed
	request killed 20000 200
	ok n1 @"$HL_T/request"
	sleep 0.1
	node_kill n2 opsd
	wait_until 20 node_answers n2
	counts_only n2 killed 20000
	same_rows 10 killed n1 n2
}

@test "over the limit it is refused, and the limit named" {
	make_table n1 over
	subscribe n1 n2 over
	request over 20000 600
	refused n1 413 @"$HL_T/request" 8388608
	counts n1 over 0
	insert n1 over '{"id":1}'
	wait_until 5 has_row n2 over 1
	counts n2 over 1
}

@test "a body beyond what is read at all is refused" {
	head -c 70000000 /dev/zero | tr '\0' ' ' >"$HL_T/body"
	op n1 @"$HL_T/body"
	[ "$code" = 413 ]
	node_answers n1
}

@test "close to the limit it still fits a message" {
	make_table n1 near
	subscribe n1 n2 near
	request near 8 1000000
	ok n1 @"$HL_T/request"
	wait_until 20 counts n2 near 8
	same_rows 5 near n1 n2
}
