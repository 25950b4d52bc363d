#!/usr/bin/env bats
# Tables that are dropped, made again and filled again: what comes in, and what does not.

load node.bash

start_nodes()
{
	node_start n1
	node_start n2
	mesh n1 n2
}

flow_is()	# flow_is NODE DATABASE JQ: a subscription of the database is so
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e --arg d "$2" ".connections[].subscriptions[] | select(.database == \$d) | $3"
}

replicate()	# replicate A B DATABASE TABLE [PUBLISH SUBSCRIBE [START_TIME]]: called on A
{
	ok "$1" "{\"operation\":\"set_node_replication\",\"node_name\":\"$2\",\"subscriptions\":[
	    {\"database\":\"$3\",\"table\":\"$4\",\"publish\":${5:-true},\"subscribe\":${6:-true}${7:+,\"start_time\":\"$7\"}}]}"
}

make_keyed()	# make_keyed NODE DATABASE TABLE KEY
{
	ok "$1" "{\"operation\":\"create_table\",\"database\":\"$2\",\"table\":\"$3\",\"primary_key\":\"$4\"}"
}

remake()	# remake NODE DATABASE KEY: its table t gets another primary key, and a row 1
{
	ok "$1" "{\"operation\":\"drop_table\",\"database\":\"$2\",\"table\":\"t\"}"
	make_keyed "$1" "$2" t "$3"
	ok "$1" "{\"operation\":\"insert\",\"database\":\"$2\",\"table\":\"t\",\"records\":[{\"$3\":1,\"own\":true}]}"
}

put()		# put NODE DATABASE TABLE RECORD...
{
	ok "$1" "{\"operation\":\"upsert\",\"database\":\"$2\",\"table\":\"$3\",\"records\":[$4]}"
}

all_rows()	# all_rows NODE DATABASE TABLE KEY: without times, sorted
{
	ask "$1" "{\"operation\":\"search_by_value\",\"database\":\"$2\",\"table\":\"$3\",\"attribute\":\"$4\",
	    \"value\":\"*\",\"get_attributes\":[\"*\"]}" |
	    jq -cS '[.[] | del(.__createdtime__, .__updatedtime__) | with_entries(select(.value != null))] | sort'
}

rows_are()	# rows_are NODE DATABASE TABLE KEY ROWS
{
	[ "$(all_rows "$1" "$2" "$3" "$4")" = "$5" ]
}

# What n2 sends is of the key `id`; n1's table has the key `key` now.
stays_apart()	# stays_apart DATABASE
{
	put n2 "$1" t '{"id":1,"from":2},{"id":3,"from":2}'
	ok n2 "{\"operation\":\"delete\",\"database\":\"$1\",\"table\":\"t\",\"ids\":[1]}"
	wait_until 15 flow_is n1 "$1" '.state == "failed" and (.error | contains("'"'key'"'") and contains("'"'id'"'"))'
	rows_are n1 "$1" t key '[{"key":1,"own":true}]'
	ok n1 "{\"operation\":\"describe_table\",\"database\":\"$1\",\"table\":\"t\"}" \
	    '[.attributes[].attribute] | index("from") == null'
	rows_are n2 "$1" t id '[{"from":2,"id":3}]'
}

@test "a table made anew with another primary key takes nothing of the other: named, both ways" {
	make_keyed n1 both t id
	replicate n1 n2 both t
	put n1 both t '{"id":0}'
	wait_until 10 rows_are n2 both t id '[{"id":0}]'
	ok n2 '{"operation":"delete","database":"both","table":"t","ids":[0]}'
	remake n1 both key
	stays_apart both
	wait_until 15 flow_is n2 both '.state == "failed" and (.error | contains("another primary key"))'
	# Made like the other, it goes on.
	ok n1 '{"operation":"drop_table","database":"both","table":"t"}'
	make_keyed n1 both t id
	put n2 both t '{"id":4}'
	wait_until 15 flow_is n1 both '.state == "live"'
	wait_until 15 flow_is n2 both '.state == "live"'
	wait_until 15 rows_are n1 both t id '[{"id":4}]'
	put n1 both t '{"id":5}'
	wait_until 15 rows_are n2 both t id '[{"from":2,"id":3},{"id":4},{"id":5}]'
}

@test "a table made anew with another primary key takes nothing of the other: one way" {
	make_keyed n2 way t id
	replicate n1 n2 way t false true
	remake n1 way key
	stays_apart way
}

@test "a table made anew with another primary key takes nothing of the other: under *" {
	make_keyed n2 star t id
	make_keyed n2 star u id
	replicate n1 n2 star '*'
	remake n1 star key
	stays_apart star
	# The other tables of the subscription go on.
	put n2 star u '{"id":1}'
	wait_until 10 rows_are n1 star u id '[{"id":1}]'
}

@test "a table made anew with another primary key while the peer was away" {
	make_keyed n2 away t id
	replicate n1 n2 away t
	node_stop n2
	remake n1 away key
	node_run n2
	# It says so before anything is written.
	wait_until 20 flow_is n2 away '.state == "failed" and (.error | contains("another primary key"))'
	stays_apart away
}
