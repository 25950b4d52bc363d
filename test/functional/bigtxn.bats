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

# A first copy brings rows in chunks; what comes after it, comes in transactions.
flows()		# flows TABLE: from n1 to n2, whose first copy is over
{
	make_table n1 "$1"
	subscribe n1 n2 "$1"
	insert n1 "$1" '{"id":"first"}'
	wait_until 20 has_row n2 "$1" '"first"'
	delete n1 "$1" '"first"'
	wait_until 20 has_no_row n2 "$1" '"first"'
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
	flows whole
	request whole 20000 200
	[ "$(stat -c %s "$HL_T/request")" -gt 4000000 ]
	ok n1 @"$HL_T/request" '.inserted_hashes | length == 20000'
	counts_only n2 whole 20000
	same_rows 10 whole n1 n2
}

@test "the receiver killed meanwhile has all of it or nothing" {
	flows killed
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

# As much memory as the node ever had, and the bytes of its store, in kB.
high_water()	# NODE
{
	awk '/VmHWM/ { print $2 }' "/proc/$(node_pid "$1" opsd)/status"
}

store_size()	# NODE
{
	du -sk --apparent-size "$(root "$1")/database" | cut -f1
}

attributes_are()	# NODE TABLE N
{
	[ "$(ask "$1" "{\"operation\":\"describe_table\",\"database\":\"dev\",\"table\":\"$2\"}" |
	    jq '.attributes | length')" = "$3" ]
}

@test "many attributes cost what is new: memory of the receiver" {
	local before

	make_table n1 wide
	subscribe n1 n2 wide
	before=$(high_water n2)
	jq -nc '{operation: "insert", database: "dev", table: "wide",
	    records: [range(8000) | {id: ., "a\(.)": 1}]}' >"$HL_T/request"
	ok n1 @"$HL_T/request" '.inserted_hashes | length == 8000'
	wait_until 60 counts n2 wide 8000
	wait_until 10 attributes_are n2 wide 8003
	[ $(($(high_water n2) - before)) -lt 500000 ]
	refused n1 400 "$(jq -nc '{operation: "insert", database: "dev", table: "wide",
	    records: [{id: 1} + ([range(2000) | {"b\(.)": 1}] | add)]}')" \
	    "Table 'dev.wide' would have more than 10000 attributes (storage.maxTableAttributes)"
}

@test "many attributes cost what is new: disk, of writes and of definitions" {
	local before i

	attributes_are n1 wide 8003
	before=$(store_size n1)
	for i in {1..40}; do
		ok n1 "{\"operation\":\"insert\",\"database\":\"dev\",\"table\":\"wide\",
		    \"records\":[{\"id\":\"x$i\",\"c$i\":1}]}"
		ok n1 "{\"operation\":\"create_attribute\",\"database\":\"dev\",\"table\":\"wide\",
		    \"attribute\":\"d$i\"}"
	done
	[ $(($(store_size n1) - before)) -lt 4000 ]
	wait_until 20 attributes_are n2 wide 8083
	counts n2 wide 8040
}

@test "all attributes are there after a start, and those that were dropped stay so" {
	ok n2 '{"operation":"drop_attribute","database":"dev","table":"wide","attribute":"a7"}'
	node_kill n2 opsd
	wait_until 20 node_answers n2
	attributes_are n2 wide 8082
	ok n2 '{"operation":"drop_table","database":"dev","table":"wide"}'
	node_kill n2 opsd
	wait_until 20 node_answers n2
	refused n2 404 '{"operation":"describe_table","database":"dev","table":"wide"}'
	# A new attribute there does not bring the table back here.
	ok n1 '{"operation":"create_attribute","database":"dev","table":"wide","attribute":"late"}'
	make_table n1 after
	wait_until 20 subscribe n1 n2 after
	insert n1 after '{"id":1}'
	wait_until 10 has_row n2 after 1
	refused n2 404 '{"operation":"describe_table","database":"dev","table":"wide"}'
}
