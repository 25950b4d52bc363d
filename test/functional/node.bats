#!/usr/bin/env bats
# What a node tells of itself, its log, its restart.

load node.bash

start_nodes()
{
	node_start n1
	make_table n1 t
	insert n1 t '{"id":1},{"id":2}'
}

op_bad()	# op_bad FIELDS TEXT: 400 that says so
{
	refused n1 400 "{$1}" "$2"
}

@test "system_information: everything, with values of this machine" {
	ok n1 '{"operation":"system_information"}' '(keys - ["hubleaf","nats"]) == (["cpu","disk","harperdb_processes","memory","metrics",
	    "network","replication","system","table_size","threads","time"])'
	jq -e --arg kernel "$(uname -r)" --arg host "$(uname -n)" --argjson cores "$(nproc --all)" \
	    '.system.platform == "linux" and .system.kernel == $kernel and .system.hostname == $host and
	    .cpu.cores <= $cores and .cpu.cores >= 1' <<<"$body"
	total=$(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) * 1024))
	jq -e --argjson total "$total" '.memory.total == $total and .memory.used > 0 and .memory.available > 0 and
	    .memory.swaptotal >= .memory.swapfree' <<<"$body"
	jq -e --argjson now "$(date +%s)" '(.time.current / 1000 - $now | fabs) < 20 and .time.uptime > 0 and
	    (.time.timezone | startswith("GMT"))' <<<"$body"
	jq -e '.disk.size[0] | .size >= .used and .available > 0 and .use >= 0 and .use <= 100' <<<"$body"
	jq -e '[.network.interfaces[].iface] | index("lo")' <<<"$body"
	jq -e '[.threads[].name] | index("commit") and index("http") and index("worker")' <<<"$body"
	jq -e '.replication.is_enabled and .replication.node_name == "n1" and .replication.transaction_log.last >= 1' <<<"$body"
	jq -e '[.table_size[] | select(.schema == "dev" and .table == "t")] | length == 1 and .[0].record_count == 2' <<<"$body"
}

@test "system_information: the node's five processes" {
	ok n1 '{"operation":"system_information","attributes":["harperdb_processes"]}' 'keys == ["harperdb_processes"]'
	for p in opsd hubd leafd hub leaf; do
		jq -e --argjson pid "$(node_pid n1 $p)" '.harperdb_processes | [.core[], .clustering[]] |
		    any(.pid == $pid and .memory > 0 and .threads > 0)' <<<"$body" || {
			echo "$p is missing: $body"
			return 1
		}
	done
	jq -e '.harperdb_processes | (.core | length == 1) and ([.clustering[].role] == ["hubd","leafd","hub server","leaf server"])' <<<"$body"
}

@test "system_information: attributes are checked" {
	ok n1 '{"operation":"system_information","attributes":["time","cpu"]}' 'keys == ["cpu","time"]'
	op_bad '"operation":"system_information","attributes":"time"' "'attributes' must be an array"
	op_bad '"operation":"system_information","attributes":["time","tim",3]' "'attributes[1]' must be one of [system, time, cpu"
	[[ $body == *"'attributes[2]' must be one of"* ]]
}

@test "registration_info, get_fingerprint, set_license" {
	ok n1 '{"operation":"registration_info"}' '.registered == false and (.version | type == "string") and
	    has("ram_allocation") and has("license_expiration_date")'
	ok n1 '{"operation":"get_fingerprint"}' '.message | test("^[0-9a-f]{32}$")'
	op_bad '"operation":"set_license","key":"k","company":"c"' 'needs no license'
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

@test "GET /health fails while writes would" {
	health 200 'is running.'
	ok n1 '{"operation":"set_configuration","storage_reserve":1000000000000000}'
	health 503 'storage.reserve'
	ok n1 '{"operation":"set_configuration","storage_reserve":null}'
	health 200 'is running.'
}

# ---- the log ----

lines()		# lines FIELDS JQ: read_log's answer
{
	ok n1 "{\"operation\":\"read_log\",$1}" "$2"
}

@test "read_log: the lines of the three daemons, with their parts" {
	lines '"limit":1000' 'length > 5 and all(.[]; (.timestamp | test("^20.*Z$")) and (.thread | IN("opsd","hubd","leafd")) and
	    (.level | IN("notify","error","warn","info","debug")) and (.tags | type == "array") and (.message | length > 0))'
	jq -e 'map(.timestamp) | . == sort' <<<"$body"
	jq -e 'map(.thread) | unique == ["hubd","leafd","opsd"]' <<<"$body"
	jq -e 'any(.[]; .tags == ["n1"])' <<<"$body"
	[ -s "$(root n1)/log/opsd.log" ] && [ -s "$(root n1)/log/hubd.log" ] && [ -s "$(root n1)/log/leafd.log" ]
}

@test "read_log: order, start, limit, level, log_name, from and until" {
	lines '"order":"asc","log_name":"opsd.log"' 'length > 3'
	all=$body
	lines '"order":"desc","log_name":"opsd"' 'length > 3'
	jq -e --argjson all "$all" '(reverse | .[:2]) == $all[:2]' <<<"$body"
	lines '"order":"asc","log_name":"opsd","start":1,"limit":2' 'length == 2'
	jq -e --argjson all "$all" '. == $all[1:3]' <<<"$body"
	lines '"log_name":"leafd","limit":10' 'length > 0 and all(.[]; .thread == "leafd")'
	lines '"level":"info","limit":10000' 'length > 0 and all(.[]; .level == "info")'
	at=$(jq -r '.[2].timestamp' <<<"$all")
	lines "\"log_name\":\"opsd\",\"from\":\"$at\",\"limit\":1" ".[0].timestamp == \"$at\""
	lines "\"log_name\":\"opsd\",\"until\":\"$at\",\"order\":\"desc\",\"limit\":1" ".[0].timestamp == \"$at\""
	lines '"from":"2001-01-01","until":"2001-01-02"' '. == []'
	lines '"from":4102444800000' '. == []'
}

@test "read_log: wrong fields" {
	op_bad '"operation":"read_log","limit":"ten"' "'limit' must be a number"
	op_bad '"operation":"read_log","limit":0' "'limit' must be greater than or equal to 1"
	op_bad '"operation":"read_log","limit":1000000' "'limit' must be less than or equal to 10000"
	op_bad '"operation":"read_log","start":-1' "'start' must be greater than or equal to 0"
	op_bad '"operation":"read_log","level":"loud"' "'level' must be one of"
	op_bad '"operation":"read_log","order":"up"' "'order' must be one of [asc, desc]"
	op_bad '"operation":"read_log","from":"soon"' "'from' must be a date"
	op_bad '"operation":"read_log","log_name":"../../etc/passwd"' "'log_name' must be one of"
}

grows()		# grows FILE BYTES: is longer than that now
{
	[ "$(stat -c %s "$1")" -gt "$2" ]
}

@test "the log: level, rotation and files are changed live" {
	log=$(root n1)/log/opsd.log
	ok n1 '{"operation":"set_configuration","logging_level":"error"}' '.live == ["logging.level"]'
	size=$(stat -c %s "$log")
	kill -HUP "$(node_pid n1 run)"
	ok n1 '{"operation":"set_configuration","logging_level":"debug","logging_rotation_maxSize":1024,"logging_rotation_maxFiles":2}'
	for i in {1..60}; do
		kill -HUP "$(node_pid n1 opsd)"
		ok n1 '{"operation":"registration_info"}'
		[ "$(ls "$(root n1)/log" | grep -c '^opsd-')" != 2 ] || break
	done
	[ "$(ls "$(root n1)/log" | grep -c '^opsd-')" = 2 ]
	# What was rotated is read as well.
	lines '"log_name":"opsd","limit":10000' '[.[] | select(.message == "configuration read anew")] | length > 2'
	ok n1 '{"operation":"set_configuration","logging_file":false}'
	size=$(stat -c %s "$log")
	kill -HUP "$(node_pid n1 opsd)"
	before=$(grep -c 'read anew' "$HL_T/nodes/n1/log")
	kill -HUP "$(node_pid n1 opsd)"
	wait_until 5 more_lines "$before"
	[ "$(stat -c %s "$log")" = "$size" ]
	ok n1 '{"operation":"set_configuration","logging_file":true,"logging_level":null,"logging_rotation_maxSize":null}'
}

more_lines()
{
	[ "$(grep -c 'read anew' "$HL_T/nodes/n1/log")" -gt "$1" ]
}

@test "read_log: the newest lines of a large log come at once" {
	log=$(root n1)/log/opsd-20010101T000000.000.log
	yes '2001-01-01T00:00:00.000Z [opsd] [info] [n1]: old line' | head -c 300000000 >"$log"
	began=$EPOCHREALTIME
	lines '"order":"desc","limit":5' 'length == 5 and all(.[]; .timestamp > "2002")'
	[ $((${EPOCHREALTIME/./} - ${began/./})) -lt 2000000 ]
	lines '"order":"asc","limit":1' '.[0].message == "old line"'
	rm "$log"
}
