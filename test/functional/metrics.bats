#!/usr/bin/env bats
# GET /metrics: its form, who may read it, and that the figures move; the alerts and the dashboard
# that are shipped use nothing else.

load node.bash

start_nodes()
{
	node_start n1
	node_start n2
	mesh n1 n2
	make_table n1 t
	make_table n1 alone
	subscribe n1 n2 t
	insert n1 t '{"id":1}'
	wait_until 10 has_row n2 t 1
	# leafd looks from time to time.
	wait_until 20 is n1 hubleaf_stream_messages "v >= 1"
}

get()		# get NODE CURL-OPTION...: its page; sets $code and $page
{
	page=$(curl -s -m 10 -w '%{http_code}' "${@:2}" "http://127.0.0.1:$(port "$1" api)/metrics"; echo .)
	page=${page%.}
	code=${page: -3}
	page=${page:0:${#page}-3}
}

metric()	# metric NODE SERIES: its value; nothing when it is not there
{
	get "$1" -u "$HL_USER:$HL_PASSWORD"
	series=$2 awk '{ value = $NF; sub(/ [^ ]*$/, "") } $0 == ENVIRON["series"] { print value }' <<<"$page"
}

is()		# is NODE SERIES CONDITION: of awk, on the value v; false when it is not there
{
	local v

	v=$(metric "$1" "$2")
	[ -n "$v" ] && awk -v v="$v" "BEGIN { exit !($3) }" || {
		echo "$2 is '$v', not $3"
		return 1
	}
}

@test "the format, line by line" {
	get n1 -u admin:admin-secret -D "$HL_T/head"
	[ "$code" = 200 ]
	grep -qix $'content-type: text/plain; version=0.0.4; charset=utf-8\r' "$HL_T/head"
	[ "${page: -1}" = $'\n' ]
	printf %s "$page" >"$HL_T/page"
	awk -f "$HL_SRC/test/functional/metrics.awk" "$HL_T/page"
	command -v promtool >/dev/null || skip "no promtool: this was our own reader alone"
	promtool check metrics <"$HL_T/page"
}

@test "the reader of the format finds faults" {
	faulty=0
	while IFS=$'\t' read -r from to; do
		awk -v from="$from" -v to="$to" '{ i = index($0, from) } !done && i { $0 = substr($0, 1, i - 1) to \
		    substr($0, i + length(from)); done = 1 } { print }' "$HL_T/page" >"$HL_T/faulty"
		! cmp -s "$HL_T/page" "$HL_T/faulty" || return 1
		! awk -f "$HL_SRC/test/functional/metrics.awk" "$HL_T/faulty" || {
			echo "not found: $from -> $to"
			faulty=1
		}
	done <<-END
	hubleaf_jobs_running 0	hubleaf_jobs_running
	hubleaf_jobs_running 0	hubleaf_jobs_running none
	hubleaf_jobs_running 0	hubleaf_jobs_run 0
	# TYPE hubleaf_healthy gauge	# TYPE hubleaf_healthy counter
	server="leaf"	server="hub"
	{daemon="hubd"}	{daemon="hu"bd"}
	le="+Inf"	le="11"
	_bucket{le="0.0005"	_bucket{le="0.00001"
	END
	[ "$faulty" = 0 ]
}

@test "what is asked without credentials, or without the right, is refused" {
	get n1
	[ "$code" = 401 ]
	[[ $page == *'Must login'* && $page != *hubleaf_* ]]
	get n1 -u admin:wrong
	[ "$code" = 401 ]
	ok n1 '{"operation":"add_role","role":"plain","permission":{}}'
	ok n1 '{"operation":"add_role","role":"watcher","permission":{"metrics_user":true}}'
	ok n1 '{"operation":"add_user","role":"plain","username":"pat","password":"p","active":true}'
	ok n1 '{"operation":"add_user","role":"watcher","username":"prometheus","password":"p","active":true}'
	get n1 -u pat:p
	[ "$code" = 403 ]
	[[ $page == *metrics_user* ]]
	get n1 -u cluster:cluster-secret
	[ "$code" = 403 ]
	get n1 -u prometheus:p
	[ "$code" = 200 ]
	# And no more than that: neither rows nor what tables there are.
	[ "$(curl -s -u prometheus:p -H 'Content-Type: application/json' "http://127.0.0.1:$(port n1 api)/" \
	    -d '{"operation":"describe_all"}')" = '{}' ]
	refused n1 400 '{"operation":"add_role","role":"odd","permission":{"metrics_user":"yes"}}' \
	    "Value for 'metrics_user' permission must be a boolean"
	refused n1 400 '{"operation":"create_database","database":"metrics_user"}'
}

exported()	# names of the page; those of a histogram's lines, too
{
	awk '$2 == "TYPE" { print $3; if ($4 == "histogram") print $3 "_bucket\n" $3 "_sum\n" $3 "_count" }' "$HL_T/page"
}

@test "the alerts and the dashboard use what is exported, and the dashboard all of it" {
	dir=$HL_SRC/packaging
	cat "$dir/prometheus/hubleaf.rules.yml" "$dir/grafana/hubleaf.json" |
	    grep -v 'rule_files\|promtool' | grep -oE '\bhubleaf_[a-z0-9_]+' | sort -u >"$HL_T/used"
	[ "$(wc -l <"$HL_T/used")" -gt 40 ]
	[ -z "$(comm -23 "$HL_T/used" <(exported | sort))" ] || {
		echo "not exported: $(comm -23 "$HL_T/used" <(exported | sort))"
		return 1
	}
	unused=$(comm -13 <(sed -E 's/_(bucket|sum|count)$//' "$HL_T/used" | sort -u) \
	    <(awk '$2 == "TYPE" { print $3 }' "$HL_T/page" | sort))
	[ -z "$unused" ] || {
		echo "shown nowhere: $unused"
		return 1
	}
}

@test "the alerts fire when they should, and the dashboard's questions are understood" {
	command -v promtool >/dev/null || skip "no promtool"
	promtool check rules "$HL_SRC/packaging/prometheus/hubleaf.rules.yml"
	(cd "$HL_SRC/packaging/prometheus" && promtool test rules hubleaf.test.yml)
	jq -r '"groups: [{name: a, rules: [", (.panels[].targets // [] | .[].expr |
	    gsub("\\$__rate_interval"; "5m") | gsub("\\$[a-z]+"; "x") | "{record: a, expr: \(tojson)},"), "]}]"' \
	    "$HL_SRC/packaging/grafana/hubleaf.json" >"$HL_T/questions.yml"
	# That they have one name is not what is asked.
	promtool check rules --lint=none "$HL_T/questions.yml"
}

@test "the domain socket and the command line; HEAD; other methods" {
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" metrics >"$HL_T/page.cli"
	awk -f "$HL_SRC/test/functional/metrics.awk" "$HL_T/page.cli"
	[[ $(curl -s --unix-socket "$(root n1)/operations-server" http://localhost/metrics) == *hubleaf_healthy* ]]
	get n1 -u admin:admin-secret -I
	[ "$code" = 200 ]
	[[ $page != *hubleaf_healthy* ]]
	get n1 -u admin:admin-secret -d '{"operation":"describe_all"}'
	[ "$code" = 405 ]
	refused n1 400 '{"operation":"/metrics"}' "Operation '/metrics' not found"
}

@test "requests, commits and failed logins are counted" {
	local insert='hubleaf_requests_total{operation="insert",code="2xx"}'
	local before refused groups failed

	before=$(metric n1 "$insert")
	refused=$(metric n1 'hubleaf_requests_total{operation="insert",code="4xx"}')
	groups=$(metric n1 hubleaf_commit_group_seconds_count)
	failed=$(metric n1 hubleaf_failed_logins_total)
	for i in 11 12 13; do
		insert n1 t "{\"id\":$i}"
	done
	refused n1 400 '{"operation":"insert","database":"dev","table":"none","records":[{"id":1}]}'
	is n1 "$insert" "v == ${before:-0} + 3"
	is n1 'hubleaf_requests_total{operation="insert",code="4xx"}' "v == ${refused:-0} + 1"
	is n1 'hubleaf_request_seconds_count{operation="insert"}' "v == ${before:-0} + ${refused:-0} + 4"
	is n1 'hubleaf_request_seconds_sum{operation="insert"}' 'v > 0 && v < 60'
	is n1 hubleaf_commit_group_seconds_count "v >= $groups + 3"
	is n1 hubleaf_commit_group_jobs_sum "v >= $groups + 3"
	is n1 hubleaf_commit_group_bytes_sum 'v > 0'
	get n1 -u admin:wrong
	[ "$code" = 401 ]
	is n1 hubleaf_failed_logins_total "v == $failed + 1"
	is n1 hubleaf_connections 'v >= 1'
	is n1 hubleaf_requests_in_progress 'v >= 1'
}

@test "positions; only tables that replicate have lines" {
	is n1 'hubleaf_table_log_head{database="dev",table="t"}' 'v >= 4'
	is n1 'hubleaf_log_position{of="last"}' 'v >= 4'
	wait_until 10 is n1 hubleaf_stream_messages 'v >= 4'
	is n1 hubleaf_stream_bytes 'v > 100'
	head=$(metric n1 'hubleaf_table_log_head{database="dev",table="t"}')
	wait_until 10 is n1 'hubleaf_replication_cursor{peer="n2",database="dev",table="t",direction="sent"}' "v == $head"
	is n2 'hubleaf_replication_cursor{peer="n1",database="dev",table="t",direction="received"}' "v == $head"
	for n in n1 n2; do
		get $n -u admin:admin-secret
		[[ $(grep -v '^hubleaf_table_\(rows\|bytes\){' <<<"$page") != *alone* ]]
		[[ $page == *'table="t"'* ]]
	done
}

@test "the store and the five processes" {
	is n1 hubleaf_store_wal_bytes 'v > 0'
	is n1 'hubleaf_store_memtable_bytes{family="rows"}' 'v > 0'
	is n1 hubleaf_store_cache_size_bytes 'v == 8388608'
	is n1 hubleaf_store_write_stopped 'v == 0'
	is n1 hubleaf_store_free_disk_bytes 'v > 0'
	for p in opsd hubd leafd 'hub server' 'leaf server'; do
		is n1 "hubleaf_process_resident_memory_bytes{process=\"$p\"}" 'v > 1000000'
	done
	is n1 hubleaf_start_time_seconds "v > $(date +%s) - 600 && v <= $(date +%s) + 1"
}

@test "health is a gauge" {
	is n1 hubleaf_healthy 'v == 1'
	ok n1 '{"operation":"set_configuration","storage_reserve":1000000000000000}'
	is n1 hubleaf_healthy 'v == 0'
	ok n1 '{"operation":"set_configuration","storage_reserve":null}'
	is n1 hubleaf_healthy 'v == 1'
}

@test "lag shows while a peer is away, and ends" {
	local lag='{peer="n2",database="dev",table="t",direction="sent"}'

	wait_until 10 is n1 "hubleaf_replication_lag_transactions$lag" 'v == 0'
	is n1 'hubleaf_peer_reachable{peer="n2"}' 'v == 1'
	node_stop n2
	wait_until 10 is n1 'hubleaf_peer_reachable{peer="n2"}' 'v == 0'
	for i in 21 22 23; do
		insert n1 t "{\"id\":$i}"
	done
	is n1 "hubleaf_replication_lag_transactions$lag" 'v == 3'
	is n1 "hubleaf_replication_lag_seconds$lag" 'v > 0'
	is n1 'hubleaf_peer_lag_transactions{peer="n2",direction="sent"}' 'v == 3'
	# one counter for all tables: more than one is a bound, and said to be
	ok n1 '{"operation":"cluster_status"}' '.connections[0].subscriptions[] | select(.table == "t") |
	    .peer_lag == 3 and .peer_lag_bound and .lag == 0 and .lag_bound == false'
	"$HL_CLI" -c "$HL_T/nodes/n1/hubleaf.yaml" status json=true | jq -e '.pending ==
	    ["dev.t waits for n2, which is away and lacks up to 3 transactions"]'
	node_run n2
	wait_until 30 is n1 "hubleaf_replication_lag_transactions$lag" 'v == 0'
	is n1 "hubleaf_replication_lag_seconds$lag" 'v == 0'
	is n1 'hubleaf_peer_lag_seconds{peer="n2",direction="sent"}' 'v == 0'
	is n1 'hubleaf_peer_reachable{peer="n2"}' 'v == 1'
}

answered_since()	# answered_since NODE PEER TIME
{
	is "$1" "hubleaf_peer_answered_timestamp_seconds{peer=\"$2\"}" "v > $3"
}

exchange()	# n1 and n2 have told each other their status
{
	local peer

	for peer in "n1 n2" "n2 n1"; do
		# shellcheck disable=SC2086 # two names
		set -- $peer
		wait_until 10 answered_since "$1" "$2" \
		    "$(metric "$1" "hubleaf_peer_answered_timestamp_seconds{peer=\"$2\"}")"
	done
}

nothing_told()
{
	told=$(metric n1 hubleaf_status_positions_total)
	exchange
	exchange
	is n1 hubleaf_status_positions_total "v == $told"
}

@test "peers tell each other what moved, and nothing else" {
	local told

	wait_until 10 is n1 'hubleaf_peer_lag_transactions{peer="n2",direction="sent"}' 'v == 0'
	wait_until 30 nothing_told
	insert n1 t '{"id":31}'
	wait_until 10 has_row n2 t 31
	wait_until 10 is n1 'hubleaf_peer_lag_transactions{peer="n2",direction="sent"}' 'v == 0'
	is n1 hubleaf_status_positions_total "v > $told"
	# Who begins anew is told all.
	node_kill n2 opsd
	wait_until 20 is n2 'hubleaf_peer_lag_transactions{peer="n1",direction="received"}' 'v == 0'
	wait_until 20 is n2 'hubleaf_peer_lag_transactions{peer="n1",direction="sent"}' 'v == 0'
	wait_until 20 is n1 'hubleaf_peer_lag_transactions{peer="n2",direction="sent"}' 'v == 0'
}

@test "rows and bytes of tables, the last backup" {
	is n1 'hubleaf_table_rows{database="dev",table="alone"}' 'v == 0'
	is n1 'hubleaf_table_rows{database="dev",table="t"}' 'v > 0'
	is n1 'hubleaf_table_bytes{database="dev",table="t"}' 'v >= 0'
	[ -z "$(metric n1 hubleaf_backup_timestamp_seconds)" ]
	hl_post n1 '{"operation":"get_backup"}' -o "$HL_T/backup.tar"
	wait_until 10 is n1 hubleaf_backup_timestamp_seconds "v > $(date +%s) - 60 && v <= $(date +%s) + 60"
}

@test "a certificate that ends soon is in metric, warnings, log and status" {
	local cert

	cert=$(root n1)/keys/links.pem
	is n1 "hubleaf_certificate_expiry_timestamp_seconds{certificate=\"$cert\",uses=\"clustering\"}" \
	    "v > $(date +%s) + 30 * 86400"
	[ -z "$(metric n1 'hubleaf_warnings{kind="certificate_expiry"}')" ]
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=soon \
	    -keyout "$HL_T/soon.key" -out "$HL_T/soon.pem" 2>/dev/null
	node_make soon TLS_CERTIFICATE="$HL_T/soon.pem" TLS_PRIVATEKEY="$HL_T/soon.key" \
	    OPERATIONSAPI_NETWORK_SECUREPORT="$(hl_ports)" CLUSTERING_ENABLED=false
	node_run soon
	is soon "hubleaf_certificate_expiry_timestamp_seconds{certificate=\"$HL_T/soon.pem\",uses=\"https\"}" \
	    "v < $(date +%s) + 2 * 86400"
	is soon 'hubleaf_warnings{kind="certificate_expiry"}' 'v == 1'
	ok soon '{"operation":"cluster_status"}' '.warnings | any(.kind == "certificate_expiry" and
	    .uses == "https" and (.message | contains("soon.pem") and contains("replace it")))'
	grep -q 'certificate .*soon.pem (https) ends in' "$HL_T/nodes/soon/log"
	"$HL_CLI" -c "$HL_T/nodes/soon/hubleaf.yaml" status | grep -q 'soon.pem (https) ends in'
	ok soon '{"operation":"set_configuration","tls_expiryWarning":60}'
	[ -z "$(metric soon 'hubleaf_warnings{kind="certificate_expiry"}')" ]
	node_stop soon
}

@test "names of tables are escaped" {
	ok n1 '{"operation":"create_table","database":"dev","table":"a\"b\\c","primary_key":"id"}'
	ok n1 '{"operation":"set_node_replication","node_name":"n2","subscriptions":[
	    {"database":"dev","table":"a\"b\\c","publish":true,"subscribe":true}]}'
	is n1 'hubleaf_table_log_head{database="dev",table="a\"b\\c"}' 'v >= 0'
	get n1 -u admin:admin-secret
	printf %s "$page" >"$HL_T/page"
	awk -f "$HL_SRC/test/functional/metrics.awk" "$HL_T/page"
	[ -z "$(command -v promtool)" ] || promtool check metrics <"$HL_T/page"
}

@test "a table that cannot be applied" {
	is n2 'hubleaf_peer_cursors{peer="n1",state="failed"}' 'v == 0'
	ok n1 '{"operation":"set_node_replication","node_name":"n2","subscriptions":[
	    {"database":"dev","table":"*","publish":true,"subscribe":false}]}'
	ok n2 '{"operation":"create_table","database":"dev","table":"x","primary_key":"other"}'
	ok n1 '{"operation":"create_table","database":"dev","table":"x","primary_key":"id"}'
	wait_until 10 is n2 'hubleaf_peer_cursors{peer="n1",state="failed"}' 'v == 1'
	"$HL_CLI" -c "$HL_T/nodes/n2/hubleaf.yaml" status json=true | jq -e '.pending |
	    any(startswith("dev.x from n1 cannot be applied: ") and contains("primary key"))'
	# what stops something is an error
	grep -q '\[error\] .*cursor dev.x from node n1: failed: .*primary key' "$HL_T/nodes/n2/log"
	ok n1 '{"operation":"drop_table","database":"dev","table":"x"}'
}

@test "servers that die are started and counted, and so is who connects anew" {
	local hub='hubleaf_nats_server_restarts_total{server="hub",cause="ended"}'
	local leaf='hubleaf_nats_server_restarts_total{server="leaf",cause="ended"}'

	is n1 "$hub" 'v == 0'
	is n1 "$leaf" 'v == 0'
	node_kill n1 hub KILL
	wait_until 20 is n1 "$hub" 'v == 1'
	node_kill n1 leaf KILL
	wait_until 20 is n1 "$leaf" 'v == 1'
	wait_until 20 is n1 'hubleaf_nats_server_up{server="hub"}' 'v == 1'
	wait_until 20 is n1 'hubleaf_nats_server_up{server="leaf"}' 'v == 1'
	wait_until 20 is n1 'hubleaf_nats_reconnects_total{daemon="hubd",server="hub"}' 'v >= 1'
	wait_until 20 is n1 'hubleaf_nats_reconnects_total{daemon="hubd",server="leaf"}' 'v >= 1'
	wait_until 20 is n1 'hubleaf_nats_reconnects_total{daemon="leafd",server="leaf"}' 'v >= 1'
	is n1 'hubleaf_nats_server_restarts_total{server="hub",cause="configured"}' 'v == 0'
}

@test "a daemon that is stopped is not up" {
	is n1 'hubleaf_daemon_up{daemon="leafd"}' 'v == 1'
	node_kill n1 run STOP
	node_kill n1 leafd KILL
	wait_until 10 is n1 'hubleaf_daemon_up{daemon="leafd"}' 'v == 0'
	# What it would tell is not there; the page is well formed still.
	get n1 -u admin:admin-secret
	printf %s "$page" >"$HL_T/page"
	awk -f "$HL_SRC/test/functional/metrics.awk" "$HL_T/page"
	[[ $page != *'daemon="leafd",server'* && $page != *'process="leafd"'* ]]
	node_kill n1 run CONT
	wait_until 20 is n1 'hubleaf_daemon_up{daemon="leafd"}' 'v == 1'
	wait_until 20 node_ready n1
}
