#!/usr/bin/env bats
# Which node, and which life of it: copies of a node's folder that are started, beside it
# or in its place.

load node.bash

setup_file() { :; }
teardown_file() { :; }

setup()
{
	hl_begin
	start_pair
}

teardown()
{
	[ -n "${BATS_TEST_COMPLETED:-}" ] || {
		touch "$HL_T/failed"
		hl_show_logs
	}
	hl_end
}

# A copy of n1's folder, or of one in it, of before two writes that n2 has takes its place.
put_back()	# put_back [/FOLDER]
{
	local folder

	folder=$(root n1)${1:-}
	node_stop n1
	cp -a "$folder" "$HL_T/copy"
	node_run n1
	wait_until 20 node_ready n1
	insert n1 t '{"id":"lost 1"}'
	insert n1 t '{"id":"lost 2"}'
	wait_until 20 has_row n2 t '"lost 2"'
	node_stop n1
	rm -rf "$folder"
	mv "$HL_T/copy" "$folder"
}

write_four()	# write_four: before n2 can have told what it has
{
	for i in 1 2 3 4; do
		insert n1 t "{\"id\":\"new $i\"}"
		sleep 0.3	# each in a frame of its own
	done
}

has_all()	# on both: what was there, what was lost, what is new
{
	for n in n1 n2; do
		wait_until 30 counts $n t 8
	done
	same_rows 20 t n1 n2
	wait_until 10 eval 'insert n1 t "{\"id\":\"last 1\"}"'
	insert n2 t '{"id":"last 2"}'
	wait_until 20 has_row n2 t '"last 1"'
	wait_until 20 has_row n1 t '"last 2"'
	same_rows 20 t n1 n2
	wait_until 20 eval 'ask n1 "{\"operation\":\"cluster_status\"}" |
	    jq -e "[.connections[].subscriptions[].state] == [\"live\"]"'
}

@test "put back from an older copy under another name, and written to before it is reminded" {
	put_back
	echo CLUSTERING_NODENAME=n1b >>"$HL_T/nodes/n1/env"
	node_run n1
	write_four
	has_all
	grep -Eq 'what (node n2|the stream) has of the log is not in it' "$HL_T/nodes/n1/log"
}

@test "the same under the name of before" {
	put_back
	node_run n1
	write_four
	has_all
}

@test "put back while the peer is away: what it comes back with counts" {
	put_back
	node_stop n2
	node_run n1
	write_four
	node_run n2
	has_all
}

@test "the store alone put back: the stream knows more" {
	put_back /database
	node_run n1
	write_four
	has_all
}

@test "ends and kills in between are no other life" {
	for i in 1 2 3; do
		insert n1 t "{\"id\":\"a$i\"}"
		node_kill n1 opsd
		wait_until 10 node_answers n1
		insert n1 t "{\"id\":\"b$i\"}"
		node_kill n2 opsd
		wait_until 10 node_answers n2
	done
	node_stop n1
	node_run n1
	wait_until 20 node_ready n1
	insert n1 t '{"id":"last 1"}'
	wait_until 30 counts n2 t 9
	same_rows 20 t n1 n2
	! grep -h 'incarnation .* begins\|: copy:' "$HL_T"/nodes/*/log || return 1
}

warned()	# warned NODE KIND [JQ]
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e "[.warnings[] | select(.kind == \"$2\")] | length > 0 and (.[0] | ${3:-.})"
}

not_warned()
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e "[.warnings[] | select(.kind == \"$2\")] == []"
}

copy_beside()	# n1b begins as a copy of n1, which goes on
{
	node_stop n1
	node_make n1b
	rmdir "$(root n1b)"
	cp -a "$(root n1)" "$(root n1b)"
	node_run n1
	node_run n1b
	wait_until 20 node_ready n1b
	route n1b n2
}

both_shut_out()
{
	local n

	for n in n1 n2 n1b; do
		wait_until 20 warned $n copied_node '.nodes == ["n1","n1b"] and
		    (.message | contains("renew_node_id"))'
		wait_until 5 grep -q 'n1 AND n1b ARE COPIES OF ONE NODE' "$HL_T/nodes/$n/log"
	done
	wait_until 10 eval 'ask n2 "{\"operation\":\"cluster_status\"}" |
	    jq -e "[.connections[].status] == [\"closed\"]"'
}

copy_shut_out()	# it shows another key for the id
{
	wait_until 20 warned n2 link_refused '.hostname == "n1b" and (.message | contains("another key"))'
	wait_until 20 warned n1b link_failing '.message | contains("another key")'
	wait_until 20 in_network n2 n1
	in_network n1b
}

@test "a copy of a node beside it: shut out, said by all, and a node of its own with another id" {
	copy_beside
	if by_links; then
		copy_shut_out
	else
		both_shut_out
	fi
	# What is written on each is kept there.
	insert n1 t '{"id":"of the first"}'
	insert n1b t '{"id":"of the copy"}'
	update n1b t '{"id":"first 1","changed":"by the copy"}'
	ok n1b '{"operation":"renew_node_id"}' '.message | contains("id")'
	for n in n1 n2 n1b; do
		wait_until 30 not_warned $n copied_node
	done
	wait_until 30 has_row n2 t '"of the first"'
	wait_until 30 has_row n2 t '"of the copy"'
	wait_until 30 has_row n2 t '"first 1"' '.changed == "by the copy"'
	insert n2 t '{"id":"of the other"}'
	wait_until 20 has_row n1 t '"of the other"'
	wait_until 20 has_row n1b t '"of the other"'
	! by_links || mesh n1 n1b n2
	wait_until 20 ok n1b '{"operation":"set_node_replication","node_name":"n1","subscriptions":[{"database":"dev","table":"t","publish":true,"subscribe":true,"start_time":"2020-01-01T00:00:00.000Z"}]}'
	same_rows 30 t n1 n2 n1b
	counts n1 t 5
}

wipe()		# wipe: n2 is made anew under its name
{
	node_stop n2
	rm -rf "$(root n2)"
	node_run n2
	wait_until 20 node_ready n2
	route n2 n1
}

other_is()	# other_is NODE STATUS: the only one that it knows, n2
{
	ask n1 '{"operation":"cluster_status"}' |
	    jq -e "[.connections[] | [.node_name, .status]] == [[\"n2\",\"$1\"]]"
}

add_again()	# over links it is removed first, where it is known, and added there
{
	wait_until 20 warned n1 link_refused '.message | test("another node id than before.*remove_node|was removed.*add_node")'
	ok n1 '{"operation":"remove_node","hostname":"n2"}'
	ok n1 "{\"operation\":\"add_node\",\"hostname\":\"n2\",\"port\":$(port n2 link),\"subscriptions\":[
	    {\"database\":\"dev\",\"table\":\"t\",\"publish\":true,\"subscribe\":true,\"start_time\":\"2020-01-01T00:00:00.000Z\"}]}"
}

subscribe_again()	# subscribe_again CALLER OTHER
{
	wait_until 20 in_network n2 n1
	[ "$1" = n1 ] || make_table n2 t
	subscribe "$1" "$2" t true true 2020-01-01T00:00:00.000Z
}

@test "wiped and added again under its name: the former id is gone, whoever calls" {
	local caller

	for caller in n1 n2; do
		wipe
		# Known by its id: what answers by the name is another node.
		wait_until 10 other_is closed
		if by_links; then
			add_again
		else
			subscribe_again $caller n$((3 - ${caller#n}))
		fi
		wait_until 20 other_is open
		wait_until 20 eval 'ask n1 "{\"operation\":\"cluster_status\"}" | jq -e ".warnings == []"'
		wait_until 20 has_row n2 t '"first 1"'
	done
	insert n2 t '{"id":"third life"}'
	wait_until 20 has_row n1 t '"third life"'
	ask n1 '{"operation":"search_by_value","database":"system","table":"hdb_nodes","search_attribute":"name","search_value":"*","get_attributes":["*"]}' |
	    jq -e 'length == 1'
}

# What is so with the node of before is not so with the one that has its name now.
@test "wiped, and subscribed to again without a start time" {
	local call='"subscriptions":[{"database":"dev","table":"t","publish":true,"subscribe":true}]' op

	! by_links || skip "over links it is removed first"
	for op in add update; do
		wipe
		wait_until 10 other_is closed
		wait_until 20 in_network n2 n1
		ok n1 "{\"operation\":\"${op}_node\",\"node_name\":\"n2\",$call}" \
		    '[(.added // .updated)[].table] == ["t"] and .skipped == []'
		wait_until 20 other_is open
		insert n2 t "{\"id\":\"$op, of n2\"}"
		wait_until 20 has_row n1 t "\"$op, of n2\""
		insert n1 t "{\"id\":\"$op, of n1\"}"
		wait_until 20 has_row n2 t "\"$op, of n1\""
	done
	# And nothing is left to ask for.
	ok n1 "{\"operation\":\"update_node\",\"node_name\":\"n2\",$call}" \
	    '.updated == [] and [.skipped[].table] == ["t"]'
}
