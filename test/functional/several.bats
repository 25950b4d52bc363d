#!/usr/bin/env bats
# Several tables of one peer: what the consumer in its leaf server is asked for.

load node.bash

start_nodes()
{
	node_start a
	node_start b
	node_start c
	mesh a b c
	for t in t1 t2 t3; do
		make_table a $t
	done
}

# What b consumes of a's stream, as a's leaf server has it.  The newest of b's consumers
# counts: the server keeps one for 30 s whose deletion was lost as b stopped.
filters()
{
	local file url

	file=$(find "$(root a)" -name "*_$(node_pid a leaf).ports")
	url=$(jq -r '.monitoring[0]' "$file")
	curl -s -m 5 "$url/jsz?consumers=true&config=true" |
	    jq -r '[.account_details[].stream_detail[]?.consumer_detail[]? |
	        select(.config.name | startswith("HL_b"))] | sort_by(.created) | last | .config |
	        .filter_subject // (.filter_subjects | sort | join(" "))'
}

filters_are()
{
	! by_links || return 0
	[ "$(filters)" = "$1" ]
}

filters_become()	# filters_become SUBJECTS; a link asks for no subjects
{
	! by_links || return 0
	wait_until 20 filters_are "$1" || {
		echo "filters are: $(filters)"
		return 1
	}
}

@test "one table: its subject; all that the stream has: the stream" {
	subscribe a b t1 true false
	insert a t1 '{"id":1}'
	wait_until 10 has_row b t1 1
	filters_become "hl.txn.a.dev.t1"
	for i in $(seq 2 30); do
		insert a t1 "{\"id\":$i}"
	done
	subscribe a b t2 true false
	insert a t2 '{"id":1}'
	wait_until 10 has_row b t2 1
	same_rows 10 t1 a b
	filters_become "hl.txn.a.>"
}

@test "a table that is not wanted: when it is much, its rows are left where they are" {
	subscribe a c t3 true false
	insert a t3 '{"id":1}'
	insert a t2 '{"id":2}'
	wait_until 10 has_row b t2 2
	filters_are "hl.txn.a.>"
	for i in 2 3 4; do
		insert a t3 "{\"id\":$i,\"text\":\"$(head -c 100000 /dev/urandom | base64 -w 0)\"}"
	done
	filters_become "hl.txn.a.dev.t1 hl.txn.a.dev.t2"
	for i in 33 34 35; do
		insert a t1 "{\"id\":$i}"
		insert a t2 "{\"id\":$i}"
	done
	same_rows 10 t1 a b
	same_rows 10 t2 a b
	refused b 404 '{"operation":"describe_table","database":"dev","table":"t3"}'
	ok b '{"operation":"cluster_status"}' '[.connections[].subscriptions[]?.error // empty] == []'
}

@test "all of them again, after a time away" {
	node_stop b
	for i in 36 37 38; do
		insert a t1 "{\"id\":$i}"
		insert a t2 "{\"id\":$i}"
		insert a t3 "{\"id\":$i}"
	done
	subscribe_t3()
	{
		subscribe a b t3 true false
	}
	node_run b
	same_rows 10 t1 a b
	same_rows 10 t2 a b
	wait_until 20 subscribe_t3
	insert a t3 '{"id":9}'
	wait_until 10 has_row b t3 9
	filters_become "hl.txn.a.>"
}
