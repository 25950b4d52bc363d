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
	jq -e '.metrics | .health == "good" and .requests["2xx"] >= 3 and .failed_logins == 0 and .jobs_running == 0 and
	    .free_disk > 0 and .uptime_ms > 0' <<<"$body"
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
	# a level, and those above it; a wrong password is a warning
	HL_PASSWORD=wrong ask n1 '{"operation":"user_info"}' | grep -q error
	lines '"level":"info","limit":10000' '[.[].level] | unique - ["info", "notify"] | . - ["error", "warn"] == []'
	lines '"level":"info","limit":10000' 'map(.level) | index("info") and index("warn")'
	lines '"level":"warn","limit":10000' 'length > 0 and (map(.level) | index("warn") and index("info") == null)'
	lines '"level":"error","limit":10000' 'all(.[]; .level == "error")'
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
	op_bad '"operation":"read_log","until":1e308' "'until' must be a date in ISO-8601 format, or milliseconds"
	op_bad '"operation":"read_log","until":-0.5' "'until' must be a date"
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

# ---- transaction log and audit log ----

@test "read_audit_log: all searches, before images, limit" {
	make_table n1 a
	insert n1 a '{"id":1,"v":1},{"id":2,"v":1}'
	update n1 a '{"id":1,"v":2}'
	delete n1 a '2'
	audit='"operation":"read_audit_log","database":"dev","table":"a"'
	ok n1 "{$audit}" 'length == 3 and map(.operation) == ["insert","update","delete"] and
	    .[1].original_records[0].v == 1 and .[1].records[0].v == 2 and .[2].hash_values == [2] and
	    .[2].original_records[0].v == 1 and all(.[]; .user_name == "admin")'
	at=$(jq '.[1].timestamp' <<<"$body")
	ok n1 "{$audit,\"limit\":2}" 'length == 2'
	ok n1 "{$audit,\"search_type\":\"timestamp\"}" 'length == 3'
	ok n1 "{$audit,\"search_type\":\"timestamp\",\"search_values\":[$at]}" 'map(.operation) == ["update","delete"]'
	ok n1 "{$audit,\"search_type\":\"timestamp\",\"search_values\":[$at,$at]}" 'map(.operation) == ["update"]'
	ok n1 "{$audit,\"search_type\":\"hash_value\",\"search_values\":[2,1,\"x\"]}" \
	    '(.["2"] | map(.operation)) == ["insert","delete"] and (.["1"] | map(.operation)) == ["insert","update"] and .x == []'
	# Of a transaction with others the records of that key alone.
	jq -e '.["2"] | all(.[]; .hash_values == [2]) and (.[0].records | map(.id) == [2])' <<<"$body"
	update n1 a '{"id":1,"v":3},{"id":3,"v":1}'
	insert n1 a '{"id":3,"v":1},{"id":4,"v":1}'
	delete n1 a '4,3'
	ok n1 "{$audit,\"search_type\":\"hash_value\",\"search_values\":[3]}" \
	    '.["3"] | all(.[]; .hash_values == [3]) and (.[-1].original_records | map(.id) == [3]) and (.[-1].operation == "delete")'
	ok n1 "{$audit,\"search_type\":\"username\",\"search_values\":[\"admin\",\"bob\"]}" '(.admin | length) == 6 and .bob == []'
}

@test "read_audit_log: wrong fields, and what is too old or off" {
	audit='"operation":"read_audit_log","database":"dev","table":"a"'
	op_bad "$audit,\"search_type\":\"color\"" "'search_type' must be one of [hash_value, timestamp, username]"
	op_bad "$audit,\"search_type\":\"hash_value\"" "'search_values' is required"
	op_bad "$audit,\"search_type\":\"hash_value\",\"search_values\":3" "'search_values' must be an array"
	op_bad "$audit,\"search_type\":\"hash_value\",\"search_values\":[{}]" "'search_values[0]' must be a string or a number"
	op_bad "$audit,\"search_type\":\"username\",\"search_values\":[3]" "'search_values[0]' must be a string"
	# A name of the answer is there once.
	ok n1 "{$audit,\"search_type\":\"hash_value\",\"search_values\":[2,2,3,2]}"
	[ "$(grep -o '"2":' <<<"$body" | wc -l)" = 1 ]
	ok n1 "{$audit,\"search_type\":\"username\",\"search_values\":[\"bob\",\"bob\"]}"
	[ "$body" = '{"bob":[]}' ]
	op_bad "$audit,\"search_type\":\"hash_value\",\"search_values\":[1,\"1\"]" "'search_values' must not have 1 both as a number and as text"
	op_bad "$audit,\"search_type\":\"timestamp\",\"search_values\":[2,1]" "must be greater than or equal to"
	op_bad "$audit,\"search_type\":\"timestamp\",\"search_values\":[1,2,3]" "less than or equal to 2 items"
	op_bad "$audit,\"limit\":0" "'limit' must be greater than or equal to 1"
	refused n1 404 '{"operation":"read_audit_log","database":"dev","table":"none"}' "Table 'dev.none' does not exist"
	ok n1 '{"operation":"set_configuration","logging_auditRetention":1}'
	wait_until 5 ok n1 "{$audit}" '. == []'
	ok n1 '{"operation":"set_configuration","logging_auditRetention":null,"logging_auditLog":false}'
	op_bad "$audit" 'To use this operation audit log must be enabled'
	ok n1 '{"operation":"set_configuration","logging_auditLog":null}'
}

@test "read_transaction_log: from, to, limit, and wrong fields" {
	make_table n1 x
	for i in {1..5}; do
		insert n1 x "{\"id\":$i}"
	done
	delete n1 x 3
	trans='"operation":"read_transaction_log","database":"dev","table":"x"'
	ok n1 "{$trans}" 'length == 6 and (map(.operation) | unique == ["delete","insert"]) and .[5].hash_values == [3]'
	from=$(jq '.[2].timestamp' <<<"$body") to=$(jq '.[3].timestamp' <<<"$body")
	ok n1 "{$trans,\"from\":$from,\"to\":$to}" 'map(.records[0].id) == [3,4]'
	ok n1 "{$trans,\"from\":$from,\"limit\":1}" 'map(.records[0].id) == [3]'
	op_bad "$trans,\"from\":\"soon\"" "'from' must be a number"
	op_bad "$trans,\"from\":-1" "'from' must be between"
	op_bad "$trans,\"from\":2,\"to\":1" "'to' must be greater than or equal to 'from'"
	op_bad "$trans,\"limit\":\"ten\"" "'limit' must be a number"
}

# ---- restart ----

started()	# started NODE: since when its opsd answers, in microseconds of the clock
{
	ask "$1" '{"operation":"system_information","attributes":["hubleaf"]}' | jq -e '.hubleaf.uptime_ms'
}

is_younger()	# is_younger NODE MS: opsd began anew, and both servers run
{
	[ "$(started "$1")" -lt "$2" ] && node_ready "$1"
}

job_is()	# job_is NODE ID STATUS
{
	ok "$1" "{\"operation\":\"get_job\",\"id\":\"$2\"}" ".[0].status == \"$3\""
}

@test "restart under load: every acknowledged write is there, what was set is in force" {
	make_table n1 load
	ok n1 '{"operation":"set_configuration","operationsApi_network_keepAliveTimeout":61000}' '.restart | length == 1'
	hub=$(node_pid n1 hub) opsd=$(node_pid n1 opsd) run=$(node_pid n1 run)
	for round in 1 2; do
		age=$(started n1)
		load_rows n1 load "$HL_T/acked.$round" -k "r$round" -d 3 -c 4 >/dev/null 2>&1 &
		load=$!
		wait_until 5 test -s "$HL_T/acked.$round"
		ok n1 '{"operation":"restart"}' '.message == "Restarting HarperDB. This may take up to 60 seconds."'
		wait_until 30 is_younger n1 "$age"
		wait "$load" || :
	done
	[ "$hub" != "$(node_pid n1 hub)" ]
	[ "$run" = "$(node_pid n1 run)" ]
	holds_all n1 load "$HL_T/acked.1" "$HL_T/acked.2"
	ok n1 '{"operation":"get_configuration"}' '.operationsApi.network.keepAliveTimeout == 61000 and (has("pending") | not)'
}

# Certificates and pids are for all; the API's socket is for the group.
seen_by_others()	# seen_by_others NODE
{
	find "$(root "$1")" -ignore_readdir_race -mindepth 1 -perm /077 ! -name '*.pid' ! -name '*.crt*' \
	    ! -name 'certificate.pem*' ! -name 'links*.pem' ! -name operations-server
}

seen_by_nobody()
{
	run seen_by_others "$1"
	[ -z "$output" ] || {
		echo "seen by others: $output"
		return 1
	}
}

@test "what a node keeps is its user's alone, whatever the umask" {
	(
		umask 022
		node_start open
	)
	make_table open t
	insert open t '{"id":1}'
	seen_by_nobody open
	# As an earlier version, or a copy, left it.
	node_stop open
	chmod 755 "$(root open)/database"
	chmod 644 "$(root open)"/database/*.*
	node_run open
	seen_by_nobody open
	[ "$(count open t)" = 1 ]
	node_stop open
}

@test "restart_service: the HTTP server, with what was set for it" {
	ok n1 '{"operation":"set_configuration","operationsApi_network_maxBodySize":2000}' '.restart | length == 1'
	ok n1 '{"operation":"restart_service","service":"http_workers"}' '.message == "Restarting http_workers"'
	id=$(jq -r .job_id <<<"$body")
	wait_until 10 job_is n1 "$id" COMPLETE
	refused n1 413 "{\"operation\":\"registration_info\",\"x\":\"$(head -c 3000 /dev/zero | tr '\0' x)\"}"
	ok n1 '{"operation":"set_configuration","operationsApi_network_maxBodySize":null}'
	ok n1 '{"operation":"restart_service","service":"http_workers"}'
	id=$(jq -r .job_id <<<"$body")
	wait_until 10 job_is n1 "$id" COMPLETE
	ok n1 "{\"operation\":\"registration_info\",\"x\":\"$(head -c 3000 /dev/zero | tr '\0' x)\"}"
}

@test "restart_service: a configuration that the HTTP server cannot start with is left" {
	local taken serving

	taken=$(hl_ports)
	"$HL_BUILD/test/functional/serve" "$taken" </dev/null >/dev/null 2>&1 3>&- &
	serving=$!
	disown $serving
	wait_until 10 curl -s -o /dev/null "http://127.0.0.1:$taken/csv"
	ok n1 "{\"operation\":\"set_configuration\",\"operationsApi_network_port\":$taken}" '.restart | length == 1'
	ok n1 '{"operation":"restart_service","service":"http_workers"}'
	id=$(jq -r .job_id <<<"$body")
	wait_until 10 job_is n1 "$id" ERROR
	ok n1 '{"operation":"get_configuration"}' '[.pending[].key] | index("operationsApi.network.port")'
	ok n1 "{\"operation\":\"set_configuration\",\"operationsApi_network_port\":$(port n1 api)}"
	kill "$serving"
}

@test "restart_service: servers, daemons, and their configuration" {
	for service in clustering hubd leafd opsd clustering_config; do
		opsd=$(started n1) hub=$(node_pid n1 hub) leaf=$(node_pid n1 leaf)
		ok n1 "{\"operation\":\"restart_service\",\"service\":\"$service\"}" ".message == \"Restarting $service\""
		id=$(jq -r .job_id <<<"$body")
		wait_until 30 job_is n1 "$id" COMPLETE
		case $service in
		clustering)
			[ "$hub" != "$(node_pid n1 hub)" ]
			[ "$leaf" != "$(node_pid n1 leaf)" ]
			;;
		hubd)
			[ "$hub" != "$(node_pid n1 hub)" ]
			[ "$leaf" = "$(node_pid n1 leaf)" ]
			;;
		leafd)
			[ "$hub" = "$(node_pid n1 hub)" ]
			[ "$leaf" != "$(node_pid n1 leaf)" ]
			;;
		opsd) wait_until 20 is_younger n1 "$opsd" ;;
		esac
	done
	refused n1 400 '{"operation":"restart_service","service":"custom_functions"}' 'Invalid service'
	refused n1 400 '{"operation":"restart_service"}' "'service' is required"
}
