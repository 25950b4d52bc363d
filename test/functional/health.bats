#!/usr/bin/env bats
# GET /health fails while writes would, says why, and is well again with them; the gauge and
# `hubleaf status` say the same.  Operators say by set_status what they know of the node, and
# take it out of service.

load node.bash

start_nodes()
{
	# A node whose clock can be set and whose disk can stop.
	node_make n1 CLUSTERING_MAXCLOCKSKEW=2000
	printf '%-16d' 0 >"$HL_T/clock"
	cat >>"$HL_T/nodes/n1/env" <<-END
	HL_CLOCK=$HL_T/clock
	HL_STALL=$HL_T/stall
	LD_PRELOAD=$HL_BUILD/test/functional/clock.so:$HL_BUILD/test/functional/stall.so
	END
	node_run n1
	wait_until 20 node_ready n1
	make_table n1 t
	insert n1 t '{"id":0}'
}

health()	# health CODE TEXT
{
	local got

	got=$(curl -s -m 10 -w ' %{http_code}' "http://127.0.0.1:$(port n1 api)/health")
	[[ $got == *"$2"*" $1" ]] || {
		echo "health: $got"
		return 1
	}
}

told()		# told TEXT: by hubleaf status
{
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" status json=true | jq -e --arg want "$1" \
	    '.hubleaf.health | contains($want)'
}

gauge()		# gauge VALUE [NAME]
{
	curl -s -m 10 -u admin:admin-secret "http://127.0.0.1:$(port n1 api)/metrics" |
	    grep -qx "hubleaf_${2:-healthy} $1"
}

well()
{
	health 200 'hubleaf is running.' && told good && gauge 1
}

@test "a disk below its reserve" {
	well
	ok n1 '{"operation":"set_configuration","storage_reserve":1000000000000000}'
	health 503 'writes are refused: free disk is below storage.reserve'
	told 'bad: writes are refused: free disk is below storage.reserve'
	gauge 0
	# The disk is looked at once a second.
	wait_until 5 refused n1 507 '{"operation":"upsert","database":"dev","table":"t","records":[{"id":1}]}'
	ok n1 '{"operation":"set_configuration","storage_reserve":null}'
	# what stops something is an error
	ok n1 '{"operation":"read_log","level":"error"}' 'any(.message | contains("writes are refused"))'
	well
}

@test "a clock that was set back" {
	insert n1 t '{"id":2}'
	printf '%-16d' -9000 1<>"$HL_T/clock"
	refused n1 503 '{"operation":"insert","database":"dev","table":"t","records":[{"id":3}]}' 'maxClockSkew'
	health 503 'clock was set back'
	told 'clock was set back'
	gauge 0
	printf '%-16d' 0 1<>"$HL_T/clock"
	insert n1 t '{"id":3}'
	well
	# As far back as is allowed.
	printf '%-16d' -1000 1<>"$HL_T/clock"
	insert n1 t '{"id":4}'
	well
	printf '%-16d' 0 1<>"$HL_T/clock"
}

@test "a disk that does not answer" {
	ok n1 '{"operation":"set_configuration","storage_maxTransactionQueueTime":1}'
	touch "$HL_T/stall"
	curl -s -m 30 -o "$HL_T/late" -u admin:admin-secret -H 'Content-Type: application/json' \
	    "http://127.0.0.1:$(port n1 api)/" \
	    -d '{"operation":"insert","database":"dev","table":"t","records":[{"id":5}]}' &
	late=$!
	wait_until 10 health 503 'writes wait: the disk does not answer'
	# It reads and is watched still.
	has_row n1 t 4
	told 'the disk does not answer'
	gauge 0
	is_above hubleaf_commit_busy_seconds 1
	rm "$HL_T/stall"
	wait "$late"
	grep -q 'inserted 1 of 1' "$HL_T/late"
	wait_until 5 well
	ok n1 '{"operation":"set_configuration","storage_maxTransactionQueueTime":null}'
}

is_above()	# is_above METRIC VALUE
{
	curl -s -m 10 -u admin:admin-secret "http://127.0.0.1:$(port n1 api)/metrics" |
	    awk -v name="$1" -v least="$2" '$1 == name { found = $2 > least } END { exit !found }'
}

@test "what is no reason: clustering that is down" {
	node_kill n1 run STOP
	node_kill n1 hubd KILL
	node_kill n1 leafd KILL
	insert n1 t '{"id":6}'
	health 200 'hubleaf is running.'
	gauge 1
	node_kill n1 run CONT
	wait_until 20 node_ready n1
}

# ---- what operators say of the node ----

status_of()	# status_of ID STATUS: sets it
{
	ok n1 "{\"operation\":\"set_status\",\"id\":\"$1\",\"status\":\"$2\"}"
}

@test "statuses are set, changed, listed and cleared" {
	local was

	ok n1 '{"operation":"get_status"}' '. == []'
	refused n1 404 '{"operation":"get_status","id":"primary"}' "No status of 'primary' is set"
	refused n1 404 '{"operation":"clear_status","id":"primary"}' "No status of 'primary' is set"
	status_of primary first
	was=$body
	jq -e 'keys == ["__createdtime__","__updatedtime__","id","status"] and .id == "primary" and .status == "first" and
	    .__createdtime__ == .__updatedtime__ and .__createdtime__ > 1600000000000' <<<"$was"
	ok n1 '{"operation":"get_status","id":"primary"}' ". == $was"
	status_of primary "$(printf 'x%.0s' {1..1000})"
	ok n1 '{"operation":"get_status","id":"primary"}' \
	    "(.status | length) == 1000 and .__createdtime__ == ($was).__createdtime__ and .__updatedtime__ > ($was).__updatedtime__"
	status_of maintenance $'two\\nlines'
	ok n1 '{"operation":"get_status"}' 'map(.id) == ["maintenance","primary"] and .[0].status == "two\nlines"'
	ok n1 '{"operation":"search_by_id","database":"system","table":"hdb_status","ids":["maintenance"],"get_attributes":["*"]}' \
	    '.[0].status == "two\nlines"'
	ok n1 '{"operation":"clear_status","id":"primary"}' '. == {"message":"Status successfully cleared"}'
	refused n1 404 '{"operation":"get_status","id":"primary"}'
	ok n1 '{"operation":"clear_status","id":"maintenance"}'
	well
}

@test "statuses are checked" {
	refused n1 400 '{"operation":"set_status"}' "'id' is required. 'status' is required"
	refused n1 400 '{"operation":"set_status","id":"health","status":"x"}' "'id' must be one of [primary, maintenance, availability]"
	refused n1 400 '{"operation":"set_status","id":"primary","status":true}' "'status' must be a string"
	refused n1 400 '{"operation":"set_status","id":"primary","status":""}' "'status' is not allowed to be empty"
	refused n1 400 "{\"operation\":\"set_status\",\"id\":\"primary\",\"status\":\"$(printf 'x%.0s' {1..1001})\"}" \
	    "'status' length must be less than or equal to 1000 characters long"
	refused n1 400 '{"operation":"set_status","id":"availability","status":"available"}' \
	    "'status' of availability must be one of [Available, Unavailable]"
	refused n1 400 '{"operation":"get_status","id":5}' "'id' must be a string"
	refused n1 400 '{"operation":"clear_status"}' "'id' is required"
	refused n1 400 '{"operation":"clear_status","id":"all"}' "'id' must be one of"
	ok n1 '{"operation":"get_status"}' '. == []'
}

@test "a node that is taken out of service: load balancers hear of it, others are served" {
	gauge 1 available
	status_of availability Unavailable
	status_of maintenance 'new disks'
	health 503 'out of service: set_status made its availability Unavailable'
	told 'bad: out of service'
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" status json=true |
	    jq -e '.hubleaf | .availability == "Unavailable" and .maintenance == "new disks"'
	gauge 0 available
	gauge 1
	insert n1 t '{"id":10}'
	# A reason why writes are refused is said first.
	ok n1 '{"operation":"set_configuration","storage_reserve":1000000000000000}'
	health 503 'writes are refused'
	ok n1 '{"operation":"set_configuration","storage_reserve":null}'
	# It is so after a restart, too, until somebody ends it.
	node_kill n1 opsd
	wait_until 20 health 503 'out of service'
	wait_until 20 node_ready n1
	insert n1 t '{"id":11}'
	status_of availability Available
	well
	gauge 1 available
	status_of availability Unavailable
	health 503 'out of service'
	ok n1 '{"operation":"clear_status","id":"availability"}'
	well
	ok n1 '{"operation":"read_log","log_name":"opsd.log","limit":1000}' \
	    "map(select(.message | test(\"^health: '.*' (took the node out of|put the node back in) service\"))) | length == 4"
	ok n1 '{"operation":"clear_status","id":"maintenance"}'
}

@test "HEAD and the domain socket; other methods" {
	[ "$(curl -s -I -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(port n1 api)/health")" = 200 ]
	[ "$(curl -s --unix-socket "$(root n1)/operations-server" http://localhost/health)" = 'hubleaf is running.' ]
	[ "$(curl -s -o /dev/null -w '%{http_code}' -d '{}' "http://127.0.0.1:$(port n1 api)/health")" = 405 ]
}

@test "sockets that somebody removed are made again" {
	local run

	run=$(root n1)
	rm "$run/run/ops.sock" "$run/operations-server"
	node_kill n1 leafd
	wait_until 10 test -S "$run/operations-server"
	curl -s -m 10 --unix-socket "$run/operations-server" -H 'Content-Type: application/json' \
	    -d '{"operation":"user_info"}' http://localhost/ | jq -e '.role.permission.super_user'
	# The two that come again find it.
	wait_until 30 node_ready n1
	node_kill n1 hubd
	wait_until 30 node_ready n1
	[ -S "$run/run/ops.sock" ]
	[ "$(stat -c %a "$run/run/ops.sock" "$run/operations-server" | paste -sd ' ')" = "600 660" ]
}

@test "a disk that is full at the start: it is there for reads, says so, and goes on when there is room" {
	local disk

	node_make full STORAGE_RESERVE=1 CLUSTERING_ENABLED=false
	disk=$(root full)
	mount -t tmpfs -o size=64m none "$disk" 2>/dev/null || skip 'cannot mount'
	node_run full
	make_table full t
	insert full t '{"id":1},{"id":2}'
	node_stop full
	node_answers()	# whatever it answers
	{
		curl -s -m 5 -o /dev/null "http://127.0.0.1:$(port "$1" api)/health"
	}
	for left in 0 65536; do
		rm -f "$disk/filler"
		head -c 100000000 /dev/zero >"$disk/filler" || :
		truncate -s -$left "$disk/filler"
		node_run full
		[ "$(count full t)" = 2 ]
		refused full 507 '{"operation":"insert","database":"dev","table":"t","records":[{"id":3}]}' "opened for reading"
		refused full 507 '{"operation":"create_table","database":"dev","table":"u","primary_key":"id"}'
		curl -s "http://127.0.0.1:$(port full api)/health" | grep -q 'opened for reading'
		node_stop full
	done
	node_run full
	rm "$disk/filler"
	wait_until 20 ok full '{"operation":"insert","database":"dev","table":"t","records":[{"id":3}]}'
	[ "$(count full t)" = 3 ]
	node_stop full
	umount "$disk"
}
