#!/usr/bin/env bats
# Wall clocks that are wrong: what comes from a clock too far ahead is held and applied
# later, and a node whose own clock was set back refuses writes until it is right.

load node.bash

start_nodes()
{
	for n in n1 n2 n3; do
		clock_make $n CLUSTERING_MAXCLOCKSKEW=2000
		node_run $n
		wait_until 20 node_ready $n
	done
	mesh n1 n2 n3
}

connection()	# connection NODE OTHER JQ: what cluster_status of NODE says of OTHER
{
	ask "$1" '{"operation":"cluster_status"}' |
	    jq -e --arg n "$2" ".connections[] | select(.node_name == \$n) | $3"
}

state()		# state NODE OTHER TABLE WORD: of the cursor
{
	connection "$1" "$2" ".subscriptions[] | select(.table == \"$3\") | .state == \"$4\""
}

warned()	# warned NODE KIND OTHER TEXT
{
	ask "$1" '{"operation":"cluster_status"}' | jq -e ".warnings[] |
	    select(.kind == \"$2\" and .node_name == \"$3\") | .message | contains(\"$4\")"
}

@test "what is recorded too far ahead is held, and applied when time has caught up" {
	make_table n1 ahead
	make_table n3 other
	subscribe n2 n1 ahead
	subscribe n2 n3 other
	insert n1 ahead '{"id":1}'
	wait_until 10 has_row n2 ahead 1
	clock_set n1 9000
	insert n1 ahead '{"id":2,"v":1},{"id":3}'
	update n1 ahead '{"id":2,"v":2}'
	delete n1 ahead 1
	wait_until 5 connection n2 n1 '.status == "clock"'
	connection n2 n1 '.subscriptions[0] | .state == "clock" and (.error | contains("clustering.maxClockSkew"))'
	has_row n2 ahead 1
	has_no_row n2 ahead 2
	# Others go on, and so does the way back.
	insert n3 other '{"id":1}'
	wait_until 3 has_row n2 other 1
	insert n2 ahead '{"id":"back"}'
	wait_until 3 has_row n1 ahead '"back"'
	connection n2 n1 '.status == "clock"'
	"$HL_CLI" -c "$HL_T/nodes/n2/hubleaf.yaml" status json=true |
	    jq -e '.pending | any(startswith("dev.ahead from n1 is held: ") and contains("clustering.maxClockSkew"))'
	wait_until 3 warned n2 clock_skew n1 "ahead of this node"
	# It was not taken over as this node's own time.
	has_row n2 ahead '"back"' '.__createdtime__ < (now + 3) * 1000'
	wait_until 15 has_row n2 ahead 3
	same_rows 5 ahead n1 n2
	wait_until 5 connection n2 n1 '.status == "open"'
	has_no_row n2 ahead 1
	has_row n2 ahead 2 '.v == 2'
	clock_set n1 0
}

@test "the skew of the clocks is shown on both sides" {
	clock_set n1 1500
	wait_until 5 connection n2 n1 '.clock_skew_ms > 1200 and .clock_skew_ms < 1800'
	wait_until 5 connection n1 n2 '.clock_skew_ms < -1200 and .clock_skew_ms > -1800'
	clock_set n1 0
}

@test "held across a restart of the receiver" {
	make_table n1 kept
	subscribe n2 n1 kept
	clock_set n1 12000
	insert n1 kept '{"id":1}'
	insert n1 kept '{"id":2}'
	wait_until 5 state n2 n1 kept clock
	node_kill n2 opsd
	wait_until 10 node_answers n2
	wait_until 10 state n2 n1 kept clock
	has_no_row n2 kept 1
	wait_until 20 counts n2 kept 2
	same_rows 5 kept n1 n2
	clock_set n1 0
}

@test "copied rows from a clock ahead are held as well" {
	make_table n1 copied
	subscribe n2 n1 copied
	insert n1 copied '{"id":0}'
	wait_until 5 has_row n2 copied 0
	node_stop n2
	clock_set n1 14000
	insert n1 copied '{"id":1},{"id":2}'
	ok n1 '{"operation":"purge_stream","database":"dev","table":"copied","options":{"force":true}}'
	node_run n2
	wait_until 10 state n2 n1 copied copy
	wait_until 10 connection n2 n1 '.status == "clock"'
	has_no_row n2 copied 1
	wait_until 20 counts n2 copied 3
	same_rows 5 copied n1 n2
	wait_until 5 connection n2 n1 '.status == "open"'
	clock_set n1 0
}

@test "a subscription from a clock ahead does not set the other node's clock" {
	make_table n3 made
	clock_set n3 3600000
	subscribe n3 n2 made
	clock_set n3 0
	make_table n2 mine
	insert n2 mine '{"id":1}'
	insert n2 made '{"id":1}'
	wait_until 5 has_row n3 made 1
	# Later calls count as later, on both sides.
	subscribe n2 n3 made true false
	wait_until 5 connection n3 n2 '.subscriptions[] | select(.table == "made") |
	    .publish == false and .subscribe == true'
	subscribe n3 n2 made true true
	connection n2 n3 '.subscriptions[] | select(.table == "made") | .publish and .subscribe'
}

@test "a clock that was set back: local writes get 503 until it is right" {
	clock_make alone
	node_run alone
	make_table alone t
	clock_set alone 600000
	insert alone t '{"id":1}'
	clock_set alone 0
	refused alone 503 '{"operation":"insert","database":"dev","table":"t","records":[{"id":2}]}' \
	    "more than clustering.maxClockSkew: set the clock right"
	refused alone 503 '{"operation":"delete","database":"dev","table":"t","ids":[1]}' \
	    "The clock of this node is"
	has_row alone t 1
	# Kept with the data; its health is bad.
	node_kill alone opsd
	wait_until 10 ok alone '{"operation":"registration_info"}'
	! node_answers alone || return 1
	refused alone 503 '{"operation":"upsert","database":"dev","table":"t","records":[{"id":2}]}' \
	    "The clock of this node is"
	# An operator can still log in users, and let it pass.
	ok alone '{"operation":"add_user","role":"super_user","username":"u","password":"p","active":true}'
	ok alone '{"operation":"set_configuration","clustering_maxClockSkew":1200000}'
	insert alone t '{"id":3}'
	has_row alone t 3 '.__createdtime__ > (now + 300) * 1000'
	ok alone '{"operation":"set_configuration","clustering_maxClockSkew":60000}'
	refused alone 503 '{"operation":"insert","database":"dev","table":"t","records":[{"id":4}]}'
	clock_set alone 600000
	insert alone t '{"id":4}'
	node_stop alone
}

@test "a clock that was ahead and is right again: it blames no other, and lag is how long things wait" {
	local status

	make_table n1 was
	subscribe n2 n1 was
	insert n1 was '{"id":1}'
	wait_until 10 has_row n2 was 1
	clock_set n1 80000000
	insert n1 was '{"id":2}'
	wait_until 10 state n2 n1 was clock
	wait_until 10 warned n1 clock_skew n2 "behind this node"
	clock_set n1 0
	# At once, not when it is measured again.
	status=$(ask n1 '{"operation":"cluster_status"}')
	jq -e '.warnings | map(.kind) == ["clock_behind"]' <<<"$status"
	jq -e '.warnings[0] | .behind_ms > 79000000 and (.message | contains("was ahead when they were written"))' <<<"$status"
	wait_until 5 no_warnings n2
	status=$(connection n2 n1 '.subscriptions[] | select(.table == "was")')
	jq -e '.error | contains("the peer'"'"'s clock is ahead") | not' <<<"$status"
	# As soon as n1 has told what it has.
	wait_until 10 connection n2 n1 '.subscriptions[] | select(.table == "was") |
	    .lag == 1 and .lag_ms >= 0 and .lag_ms < 60000'
	refused n1 503 '{"operation":"insert","database":"dev","table":"was","records":[{"id":3}]}' \
	    "if it is right now and was ahead"
	# When it is that time, all is as ever.
	clock_set n1 80000000
	clock_set n2 80000000
	insert n1 was '{"id":3}'
	wait_until 10 has_row n2 was 3
	wait_until 5 connection n2 n1 '.subscriptions[] | select(.table == "was") | .lag == 0'
}
