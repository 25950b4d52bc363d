#!/usr/bin/env bats
# HTTP as clients from outside use and abuse it: heads, bodies, pipelines, slow and many
# clients, other origins, limits.

load node.bash

HL_CLIENTS=$HL_BUILD/test/functional/clients
BASIC="Authorization: Basic $(printf %s "$HL_USER:$HL_PASSWORD" | base64)"

start_nodes()
{
	node_make n1
	echo "OPERATIONSAPI_NETWORK_SECUREPORT=$(($(port n1 api) + 1))" >>"$HL_T/nodes/n1/env"
	# The configured address is IPv4's alone.
	! has_ipv6 || echo OPERATIONSAPI_NETWORK_HOST=127.0.0.1,::1 >>"$HL_T/nodes/n1/env"
	node_run n1
	# One with limits that a test can reach.
	node_start n2 OPERATIONSAPI_NETWORK_HEADERSTIMEOUT=1500 \
	    OPERATIONSAPI_NETWORK_TIMEOUT=2000 OPERATIONSAPI_NETWORK_KEEPALIVETIMEOUT=1000 \
	    OPERATIONSAPI_NETWORK_MAXHEADERSIZE=2048 OPERATIONSAPI_NETWORK_MAXBODYSIZE=200000 \
	    OPERATIONSAPI_NETWORK_MAXBODYDEPTH=20 OPERATIONSAPI_NETWORK_MAXCONNECTIONS=8 \
	    OPERATIONSAPI_NETWORK_MAXREQUESTBYTES=450000 OPERATIONSAPI_NETWORK_MAXREQUESTS=4 \
	    'OPERATIONSAPI_NETWORK_CORSACCESSLIST=["https://studio.example"]' \
	    AUTHENTICATION_AUTHORIZELOCAL=true
	ok n1 '{"operation":"create_database","database":"dev"}'
	ok n2 '{"operation":"create_database","database":"dev"}'
	make_table n1 dog
	make_table n2 dog
}

has_ipv6()
{
	grep -qs '^0\{31\}1 ' /proc/net/if_inet6
}

@test "the API listens on all addresses that its key has, of both families" {
	has_ipv6 || skip "there is no IPv6"
	[ "$(curl -s -g -m 5 "http://[::1]:$(port n1 api)/health")" = 'hubleaf is running.' ]
	[ "$(curl -s -g -k -m 5 "https://[::1]:$(($(port n1 api) + 1))/health")" = 'hubleaf is running.' ]
	[ "$(curl -s -m 5 "http://127.0.0.1:$(port n1 api)/health")" = 'hubleaf is running.' ]
	run curl -s -g -m 5 "http://[::1]:$(port n2 api)/health"
	[ "$status" = 7 ]
	# By default both families have it.
	node_make n3
	sed -i '/operationsApi:/,$ { /host:/d }' "$HL_T/nodes/n3/hubleaf.yaml"
	node_run n3
	[ "$(curl -s -g -m 5 "http://[::1]:$(port n3 api)/health")" = 'hubleaf is running.' ]
	node_stop n3
}

raw()		# raw NODE CURL-ARGUMENTS...: $code, $body and $head
{
	local node=$1

	shift
	body=$(curl -s -m 20 -D "$HL_T/head" -w '\n%{http_code}' \
	    "http://127.0.0.1:$(port "$node" api)/" "$@") || :
	code=${body##*$'\n'}
	body=${body%$'\n'*}
	head=$(tr -d '\r' <"$HL_T/head")
}

half()		# half NODE: sends standard input, all at once, and prints all answers
{
	"$HL_CLIENTS" "$(port "$1" api)" half | tr -d '\r'
}

post()		# post BODY [HEADER...]: a request as text
{
	printf 'POST / HTTP/1.1\r\nHost: a\r\n%s\r\nContent-Length: %d\r\n' "$BASIC" "${#1}"
	[ $# = 1 ] || printf '%s\r\n' "${@:2}"
	printf '\r\n%s' "$1"
}

answers()	# answers STATUS: how many of them are in $output, whose bodies end without line end
{
	grep -o "HTTP/1\.1 $1" <<<"$output" | wc -l
}

is_error()	# is_error CODE [TEXT]: $body is an error in JSON
{
	[ "$code" = "$1" ] || return 1
	[[ $(jq -r .error <<<"$body") == *"${2:-}"* ]] || return 1
	[[ $head == *'Content-Type: application/json'* ]]
}

@test "every error is JSON" {
	raw n1 --request-target /nowhere
	is_error 404 'Not found'
	raw n1 -X DELETE
	is_error 405
	[[ $head == *'Allow: GET, HEAD, POST, OPTIONS'* ]]
	raw n1 -X BREW
	is_error 405
	raw n1 -H 'Transfer-Encoding: gzip' -d x
	is_error 501
	raw n1 -H 'Content-Length: x' -X POST
	is_error 400
	raw n1 -H 'Expect: more' -d x
	is_error 417
	raw n1 -H "A: $(printf %020000d 1)"
	is_error 431 maxHeaderSize
	raw n1 -d '{}' -H 'Content-Encoding: br'
	is_error 415
	raw n1 -H "$BASIC" -d $'{"operation":"search_by_id",\n\t"ids":[1 2]}'
	is_error 400 "Invalid JSON at line 2, column 11: ',' or ']' is expected"
	raw n1 -H "$BASIC" -d '{"operation":"describe_all"'
	is_error 400 "Invalid JSON at line 1, column 28: "
	run half n1 <<<$'HALLO\r\n\r\n'
	[[ $output == 'HTTP/1.1 400 '* && $output == *'{"error":'* ]]
	run half n1 <<<$'GET / HTTP/1.1\r\n\r\n'
	[[ $output == 'HTTP/1.1 400 '* && $output == *'Host'* ]]
	run half n1 <<<$'GET / HTTP/3.0\r\nHost: a\r\n\r\n'
	[[ $output == 'HTTP/1.1 505 '* ]]
}

@test "HEAD, HTTP/1.0, absolute paths and queries" {
	raw n1 -I
	[ "$code" = 200 ]
	[ -z "${body//[$'\r\n']/}" ] || [[ $body == HTTP* ]]
	[[ $head =~ Content-Length:\ [1-9] ]]
	raw n1 -0
	[ "$code" = 200 ]
	[[ $head == *'Connection: close'* && $body == *'hubleaf is running'* ]]
	raw n1 --request-target /health?x=y
	[ "$body" = 'hubleaf is running.' ]
	raw n1 --request-target http://example.org/health
	[ "$body" = 'hubleaf is running.' ]
}

@test "what could be two requests to others is none" {
	for header in 'Transfer-Encoding: chunked' 'Content-Length: 3' 'Content-Length: +2' \
	    'A : b' ' folded'; do
		# For whoever looks at the one or the other, this body ends.
		run half n1 < <(post $'0\r\n\r\n' "$header"; post '{"operation":"drop_database","database":"dev"}')
		[ "$(answers '[0-9]')" = 1 ]
		[[ $output == 'HTTP/1.1 400 '* ]]
	done
	ok n1 '{"operation":"describe_database","database":"dev"}'
}

@test "chunked bodies" {
	run half n1 < <(printf 'POST / HTTP/1.1\r\nHost: a\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n' "$BASIC"
	    printf '5\r\n{"ope\r\na;x=y\r\nration":"d\r\n12\r\nescribe_all"}     \r\n0\r\nA: trailer\r\n\r\n'
	    post '{"operation":"describe_all"}')
	[ "$(answers 200)" = 2 ]
	[ "$(grep -o '"dev":{' <<<"$output" | wc -l)" = 2 ]
	run half n1 < <(printf 'POST / HTTP/1.1\r\nHost: a\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"operation":\r\n' "$BASIC")
	[[ $output == 'HTTP/1.1 400 '*chunks* ]]
}

@test "pipelined requests are answered in order, also after the client ended its side" {
	run half n1 < <(for i in {1..200}; do
		post "{\"operation\":\"insert\",\"database\":\"dev\",\"table\":\"dog\",\"records\":[{\"id\":$i}]}"
	done)
	[ "$(answers 200)" = 200 ]
	[ "$(grep -o '"inserted_hashes":\[[0-9]*' <<<"$output" | sed 's/.*\[//' | paste -sd ' ')" = "$(seq -s ' ' 200)" ]
	# Half a request is none.
	run half n1 < <(post '{"operation":"describe_all"}' | head -c 60)
	[ -z "$output" ]
}

@test "a body is asked for only from who may send it" {
	raw n1 -d "$(printf %0100000d 1)" -H 'Expect: 100-continue'
	is_error 401 'Must login'
	[[ $head != *100* ]]
	raw n1 -u admin:wrong -d "$(printf %0100000d 1)" -H 'Expect: 100-continue'
	is_error 401 'Login failed'
	raw n1 -u admin:admin-secret -d '{"operation":"describe_all"}' -H 'Expect: 100-continue'
	[ "$code" = 200 ]
	[[ $head == *'100 Continue'* ]]
}

@test "bodies have a largest size, in chunks, too, and a greatest depth" {
	head -c 200001 /dev/zero | tr '\0' ' ' >"$HL_T/long"
	raw n2 -u admin:admin-secret -H Expect: --data-binary @"$HL_T/long"
	is_error 413 'maxBodySize (200000 bytes)'
	raw n2 -u admin:admin-secret -H Expect: -H 'Transfer-Encoding: chunked' --data-binary @"$HL_T/long"
	is_error 413
	raw n2 -u admin:admin-secret -d '{"operation":"describe_all","x":[[[[[[[[[[[[[[[[[["[[[[[[["]]]]]]]]]]]]]]]]]]}'
	[ "$code" = 200 ]
	raw n2 -u admin:admin-secret -d '{"operation":"describe_all","x":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}'
	is_error 400 deep
}

@test "a slow head and a slow body are cut off" {
	run "$HL_CLIENTS" "$(port n2 api)" slow 100 < <(post '{}')
	[[ $output == 'HTTP/1.1 408 '* ]]
	[ "${lines[-1]}" -lt 40 ]
	# The head in time, then a byte now and then.
	run "$HL_CLIENTS" "$(port n2 api)" slow 20 < <(
	    printf 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n%09999d' 1)
	[[ $output == 'HTTP/1.1 408 '*body* ]]
	[ "${lines[-1]}" -gt 70 ]
	[ "${lines[-1]}" -lt 400 ]
}

@test "idle connections end after their time" {
	local end=$((SECONDS + 10)) out

	exec 5<>"/dev/tcp/127.0.0.1/$(port n2 api)"
	printf 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n' >&5
	out=$(timeout 10 cat <&5)
	exec 5>&-
	[[ $out == *'200 OK'* ]]
	[ "$SECONDS" -lt "$end" ]
}

@test "too many connections are told so, and those that are there go on" {
	local fd fds=() i

	for i in {1..8}; do
		exec {fd}<>"/dev/tcp/127.0.0.1/$(port n2 api)"
		printf 'GET /health HTTP/1.1\r\nHost: a\r\n' >&"$fd"
		fds+=("$fd")
	done
	raw n2
	is_error 503 maxConnections
	[[ $head == *'Retry-After: '* ]]
	for fd in "${fds[@]}"; do
		printf 'Connection: close\r\n\r\n' >&"$fd"
		[[ $(cat <&"$fd") == *'200 OK'* ]]
		exec {fd}>&-
	done
	wait_until 5 node_answers n2
}

@test "idle connections make room for others" {
	local fd fds=() i

	for i in {1..12}; do
		exec {fd}<>"/dev/tcp/127.0.0.1/$(port n2 api)"
		fds+=("$fd")
		raw n2
		[ "$code" = 200 ]
	done
	for fd in "${fds[@]}"; do
		exec {fd}>&-
	done
}

# Bodies that stay incomplete hold what they have.
@test "too many requests and too many bytes are told so" {
	local fd fds=() i

	# Of nobody there may be fewer.
	for i in 1 2; do
		exec {fd}<>"/dev/tcp/127.0.0.1/$(port n2 api)"
		printf 'POST / HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\nContent-Length: 9\r\n\r\n' >&"$fd"
		fds+=("$fd")
	done
	wait_until 5 is_busy_for_nobody
	answers_posts
	for fd in "${fds[@]}"; do
		exec {fd}>&-
	done
	fds=()
	for i in 1 2; do
		exec {fd}<>"/dev/tcp/127.0.0.1/$(port n2 api)"
		printf 'POST / HTTP/1.1\r\nHost: a\r\n%s\r\nContent-Length: 199000\r\n\r\n%0190000d' "$BASIC" 1 >&"$fd"
		fds+=("$fd")
	done
	# The two long bodies count once the node has read them.
	wait_until 5 is_full
	[[ $head == *'Retry-After: '* ]]
	for i in 1 2; do
		exec {fd}<>"/dev/tcp/127.0.0.1/$(port n2 api)"
		printf 'POST / HTTP/1.1\r\nHost: a\r\n%s\r\nContent-Length: 9\r\n\r\n' "$BASIC" >&"$fd"
		fds+=("$fd")
	done
	wait_until 5 is_busy
	for fd in "${fds[@]}"; do
		exec {fd}>&-
	done
	wait_until 5 answers_posts
	# Values count as what they take; what could never be does not say to try again.
	many_values '{"operation":"describe_all","a":[' '{}' 9000 ']}' >"$HL_T/body"
	raw n2 -H "$BASIC" --data-binary @"$HL_T/body"
	is_error 413 maxRequestBytes
}

is_busy_for_nobody()
{
	raw n2 -H 'Origin: https://a' -d '{"operation":"describe_all"}'
	is_error 503 'without credentials'
}

is_full()
{
	raw n2 -u admin:admin-secret -H Expect: -d "$(printf %0100000d 1)"
	is_error 503 maxRequestBytes
}

is_busy()
{
	raw n2 -u admin:admin-secret -d '{"operation":"describe_all"}'
	is_error 503 maxRequests
}

answers_posts()
{
	raw n2 -u admin:admin-secret -d '{"operation":"describe_all"}'
	[ "$code" = 200 ]
}

@test "10000 idle connections, and others are served" {
	local fd

	if [ "$(ulimit -Hn)" -lt 12000 ]; then
		skip "THE HARD LIMIT OF OPEN FILES IS $(ulimit -Hn), 12000 are needed"
	fi
	coproc idle { exec "$HL_CLIENTS" "$(port n1 api)" idle 10000; }
	read -r -t 60 line <&"${idle[0]}"
	[ "$line" = 'all are there' ]
	ok n1 '{"operation":"describe_all"}'
	echo "# 10000 connections: opsd has $(awk '/VmRSS/ { print $2 }' "/proc/$(node_pid n1 opsd)/status") KB" >&3
	fd=${idle[1]}
	echo >&"$fd"
	read -r -t 60 line <&"${idle[0]}"
	[ "$line" = 'all are still there' ]
	wait "$idle_PID"
}

@test "other origins" {
	raw n1 -H 'Origin: https://a.example' -u admin:admin-secret -d '{"operation":"describe_all"}'
	[ "$code" = 200 ]
	[[ $head == *'Access-Control-Allow-Origin: https://a.example'* ]]
	[[ $head == *'Access-Control-Allow-Credentials: true'* ]]
	[[ $head == *'Vary: Origin'* ]]
	# An error can be read as well.
	raw n1 -H 'Origin: https://a.example' -d '{"operation":"describe_all"}'
	is_error 401
	[[ $head == *'Access-Control-Allow-Origin: https://a.example'* ]]
	raw n1 -X OPTIONS -H 'Origin: https://a.example' -H 'Access-Control-Request-Method: POST' \
	    -H 'Access-Control-Request-Headers: authorization,content-type'
	[ "$code" = 204 ]
	[[ $head == *'Access-Control-Allow-Headers: Accept, Content-Type, Authorization'* ]]
	[[ $head == *'Access-Control-Allow-Methods: POST, '* ]]
	raw n1 -H 'Origin: null'
	[[ $head != *'Access-Control-Allow-Origin'* ]]
	raw n2 -X OPTIONS -H 'Origin: https://a.example' -H 'Access-Control-Request-Method: POST'
	[ "$code" = 204 ]
	[[ $head != *'Access-Control-Allow'* ]]
	raw n2 -H 'Origin: https://studio.example'
	[[ $head == *'Access-Control-Allow-Origin: https://studio.example'* ]]
}

@test "who is trusted as local must not be a page of anybody" {
	raw n2 -d '{"operation":"describe_all"}'
	[ "$code" = 200 ]
	raw n2 -H 'Origin: https://a.example' -d '{"operation":"describe_all"}'
	is_error 401
	raw n2 -H 'Origin: https://studio.example' -d '{"operation":"describe_all"}'
	[ "$code" = 200 ]
}

# ---- formats ----

hex()
{
	od -An -v -tx1 | tr -d ' \n'
}

unhex()
{
	printf '%b' "$(sed 's/../\\x&/g')"
}

as()		# as TYPE OPERATION: the answer in that format, as hexadecimal
{
	curl -s -u admin:admin-secret -H "Accept: $1" -d "$2" "http://127.0.0.1:$(port n1 api)/" | hex
}

@test "bodies and answers in CBOR and MessagePack" {
	local id='{"operation":"search_by_id","database":"dev","table":"fmt","ids":["x"],"get_attributes":["id","a"]}'

	make_table n1 fmt
	# {"operation":"insert","database":"dev","table":"fmt","records":[{"id":"x","a":[1,1.5]}]}
	printf '\xa4\x69operation\x66insert\x68database\x63dev\x65table\x63fmt\x67records\x9f\xa2\x62id\x61x\x61a\x82\x01\xf9\x3e\x00\xff' |
	    raw n1 -u admin:admin-secret -H 'Content-Type: application/cbor' --data-binary @-
	[ "$(as '*/*' "$id" | unhex)" = '[{"id":"x","a":[1,1.5]}]' ]
	# [{"id":"x","a":[1,1.5]}], the list of unknown length in CBOR, of 32 bits in MessagePack
	[ "$(as application/cbor "$id")" = 9fa262696461786161"8201fb3ff8000000000000"ff ]
	[ "$(as application/x-msgpack "$id")" = dd0000000182a26964a178a16192"01cb3ff8000000000000" ]
	# {"operation":"upsert",...,"records":[{"id":"x","a":null}]}
	printf '\x84\xa9operation\xa6upsert\xa8database\xa3dev\xa5table\xa3fmt\xa7records\x91\x82\xa2id\xa1x\xa1a\xc0' |
	    raw n1 -u admin:admin-secret -H 'Content-Type: application/x-msgpack' --data-binary @-
	[ "$(as text/csv "$id" | unhex)" = $'id,a\r\nx,\r' ]
	# {"error": text of 25 bytes}; what is no list of rows is never CSV.
	[ "$(as application/cbor '{"operation":"fly"}')" = "a1656572726f727819$(printf "Operation 'fly' not found" | hex)" ]
	raw n1 -u admin:admin-secret -H 'Accept: text/csv' -d '{"operation":"fly"}'
	is_error 400
	for type in application/cbor application/x-msgpack; do
		raw n1 -u admin:admin-secret -H "Content-Type: $type" --data-binary '{"operation":"describe_all"}'
		is_error 400 Invalid
	done
}

@test "CSV has a header, quotes what must be, and every column of every row" {
	make_table n1 csv
	insert n1 csv '{"id":1,"a":"x,y","b":[1,{"c":"d"}]},{"id":2,"b":"say \"hi\""},{"id":3,"a":""}'
	raw n1 -u admin:admin-secret -H 'Accept: text/csv' -d '{"operation":"search_by_value","database":"dev",
	    "table":"csv","search_attribute":"id","search_value":"*","get_attributes":["id","a","b"]}'
	[[ $head == *'Content-Type: text/csv'* ]]
	[ "$body" = $'id,a,b\r\n1,"x,y","[1,{""c"":""d""}]"\r\n2,,"say ""hi"""\r\n3,"",\r\n' ] ||
	    [ "$body" = $'id,a,b\r\n1,"x,y","[1,{""c"":""d""}]"\r\n2,,"say ""hi"""\r\n3,"",\r' ]
}

# ---- long answers ----

many_rows()	# many_rows NODE TABLE N
{
	make_table "$1" "$2"
	for i in $(seq 0 1000 $(($3 - 1))); do
		{
			printf '{"operation":"insert","database":"dev","table":"%s","records":[' "$2"
			seq -s , -f '{"id":%.0f,"text":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}' \
			    $((i + 1)) $((i + 1000))
			printf ']}'
		} >"$HL_T/rows.json"
		ok "$1" "@$HL_T/rows.json"
	done
}

all_of()	# all_of TABLE [FIELDS]
{
	printf '{"operation":"search_by_value","database":"dev","table":"%s","search_attribute":"id","search_value":"*","get_attributes":["*"]%s}' "$@"
}

@test "a long answer comes in pieces, and is whole in every format" {
	local text

	text=$(printf %0100d 0 | tr 0 a | hex)
	many_rows n1 long 20000
	raw n1 -u admin:admin-secret -d "$(all_of long)"
	[ "$code" = 200 ]
	[[ $head == *'Transfer-Encoding: chunked'* && $head != *Content-Length* ]]
	[ "$(jq -c '[length, (map(.id) | add)]' <<<"$body")" = '[20000,200010000]' ]
	raw n1 -0 -u admin:admin-secret -d "$(all_of long)"
	[ "$(jq -c '[length, (map(.id) | add)]' <<<"$body")" = '[20000,200010000]' ]
	raw n1 -u admin:admin-secret -H 'Accept: text/csv' -d "$(all_of long)"
	[ "$(tr -d '\r' <<<"$body" | grep -c ',aaaaaaaaaa')" = 20000 ]
	# The number of rows comes first: here 20000 = 4e20.
	as application/x-msgpack "$(all_of long)" >"$HL_T/msgpack"
	[ "$(head -c 10 "$HL_T/msgpack")" = dd00004e20 ]
	[ "$(grep -o "$text" "$HL_T/msgpack" | wc -l)" = 20000 ]
	as application/cbor "$(all_of long)" >"$HL_T/cbor"
	[ "$(head -c 2 "$HL_T/cbor")$(tail -c 2 "$HL_T/cbor")" = 9fff ]
	[ "$(grep -o "$text" "$HL_T/cbor" | wc -l)" = 20000 ]
	# Few rows are in one piece, an error is an error, and sorting, pages and keys give the same.
	raw n1 -u admin:admin-secret -d "$(all_of long ',"limit":10')"
	[[ $head == *Content-Length* ]]
	as application/x-msgpack "$(all_of long ',"sort":{"attribute":"text"},"limit":15000,"offset":7')" | head -c 10 >"$HL_T/sorted"
	[ "$(cat "$HL_T/sorted")" = dd00003a98 ]
	as application/x-msgpack "{\"operation\":\"search_by_id\",\"database\":\"dev\",\"table\":\"long\",\"ids\":[$(seq -s , 10000 19999)],\"get_attributes\":[\"*\"]}" | head -c 10 >"$HL_T/keys"
	[ "$(cat "$HL_T/keys")" = dd00002710 ]
}

rss()		# rss NODE: of its opsd, in KB
{
	awk '/VmRSS/ { print $2 }' "/proc/$(node_pid "$1" opsd)/status"
}

@test "who does not read a long answer costs nothing, holds up nobody, and is cut off" {
	local before after

	many_rows n2 long 50000
	before=$(rss n2)
	for i in 1 2 3; do
		"$HL_CLIENTS" "$(port n2 api)" stall 1000 4500 <<<"$(post "$(all_of long)")" >"$HL_T/stalled$i" &
	done
	for i in {1..10}; do
		ok n2 '{"operation":"describe_table","database":"dev","table":"long"}' '.record_count == 50000'
	done
	after=$(rss n2)
	wait
	echo "# 3 readers that stand still: opsd has $before, then $after KB" >&3
	# Three whole answers are 25 MB.  (A sanitizer keeps what is freed.)
	ldd "$HL_BUILD/opsd/opsd" | grep -q asan || [ $((after - before)) -lt 8000 ]
	# What was on its way comes, then the connection ends before the result does.
	for i in 1 2 3; do
		read -r bytes how <"$HL_T/stalled$i"
		[ "$bytes" -lt 6000000 ]
	done
	ok n2 '{"operation":"describe_table","database":"dev","table":"long"}'
}

@test "many who do not read cost little each" {
	local before after readers=()

	many_rows n1 stalled 50000
	before=$(rss n1)
	for i in {1..60}; do
		"$HL_CLIENTS" "$(port n1 api)" stall 1000 30000 <<<"$(post "$(all_of stalled)")" >/dev/null &
		readers+=($!)
	done
	wait_until 25 stand_still n1 60
	after=$(rss n1)
	kill "${readers[@]}"
	wait "${readers[@]}" || :
	echo "# 60 readers that stand still: opsd has $before, then $after KB" >&3
	ldd "$HL_BUILD/opsd/opsd" | grep -q asan || [ $((after - before)) -lt 25000 ]
}

stand_still()	# stand_still NODE N: so many answers wait for their readers
{
	[ "$(ss -Htn state established "sport = :$(port "$1" api)" | awk '$2 > 10000' | wc -l)" = "$2" ] && rests "$1"
}

@test "what takes too long is answered, and ends" {
	local leaves

	leaves=$(yes '{"search_attribute":"text","search_type":"contains","search_value":"aaaaaaaaab"}' | head -n 900 | paste -sd ,)
	echo "{\"operation\":\"search_by_conditions\",\"database\":\"dev\",\"table\":\"long\",
	    \"operator\":\"or\",\"get_attributes\":[\"*\"],\"conditions\":[$leaves]}" >"$HL_T/hard"
	raw n2 -u admin:admin-secret -d @"$HL_T/hard"
	is_error 504 operationsApi.network.timeout
	wait_until 5 rests n2
}

rests()		# rests NODE: its opsd has nothing to do
{
	local was

	was=$(cut -d ' ' -f 14 "/proc/$(node_pid "$1" opsd)/stat")
	sleep 0.5
	[ $(($(cut -d ' ' -f 14 "/proc/$(node_pid "$1" opsd)/stat") - was)) -lt 10 ]
}

@test "over TLS and the domain socket it is the same" {
	local how tls=$(($(port n1 api) + 1)) long

	long=$(all_of long)
	printf '{"operation":"describe_all"%0100000d}' 1 | tr '01' ' ' >"$HL_T/padded"
	for how in "-k https://127.0.0.1:$tls/" "-k -0 https://127.0.0.1:$tls/" \
	    "--unix-socket $(root n1)/operations-server http://localhost/"; do
		# shellcheck disable=SC2086 # a list of options
		[ "$(curl -s -m 20 -u admin:admin-secret -d "$long" $how | jq length)" = 20000 ]
		# shellcheck disable=SC2086
		[ "$(curl -s -m 20 -o /dev/null -w '%{http_code}' -u admin:admin-secret \
		    -H Expect: --data-binary @"$HL_T/padded" $how)" = 200 ]
	done
	# Two requests on one connection.
	[ "$(curl -s -k -m 20 "https://127.0.0.1:$tls/health" "https://127.0.0.1:$tls/health")" = \
	    'hubleaf is running.hubleaf is running.' ]
	# Somebody who speaks no TLS.
	run "$HL_CLIENTS" "$tls" half <<<'GET / HTTP/1.1'
	[[ $output != *HTTP/1* ]]
	[ "$(curl -s -k -m 20 "https://127.0.0.1:$tls/health")" = 'hubleaf is running.' ]
}

@test "a node that stops cuts long answers off" {
	for i in 1 2 3; do
		"$HL_CLIENTS" "$(port n2 api)" stall 1000 9000 <<<"$(post "$(all_of long)")" >"$HL_T/stopped$i" &
	done
	wait_until 5 is_busy_now
	SECONDS=0
	node_stop n2
	[ "$SECONDS" -lt 15 ]
	wait
}

is_busy_now()
{
	[ "$(ss -Htn state established "sport = :$(port n2 api)" | awk '$2 > 10000' | wc -l)" = 3 ]
}

@test "clients that go away in the middle of an answer end the search" {
	for i in {1..20}; do
		"$HL_CLIENTS" "$(port n1 api)" stall 1000 1 <<<"$(post "$(all_of long)")" >/dev/null &
		exec 5<>"/dev/tcp/127.0.0.1/$(port n1 api)"
		post "$(all_of long)" >&5
		read -r -N 100 -u 5 _
		exec 5>&-
	done
	wait
	ok n1 '{"operation":"describe_table","database":"dev","table":"long"}'
	# A slow reader does get it all.
	run "$HL_CLIENTS" "$(port n1 api)" stall 5000 300 <<<"$(post "$(all_of long)" 'Connection: close')"
	[[ $output == *' end' ]]
	[ "${output% *}" -gt 2000000 ]
}

high_water()	# high_water NODE: as much memory as it had since low_water, in kB
{
	awk '/VmHWM/ { print $2 }' "/proc/$(node_pid "$1" opsd)/status"
}

low_water()	# low_water NODE: what it has now, in kB
{
	echo 5 >"/proc/$(node_pid "$1" opsd)/clear_refs"
	high_water "$1"
}

many_values()	# many_values BEGINNING VALUE BYTES END: about so many bytes of values
{
	printf '%s' "$1"
	yes "$2," | tr -d '\n' | head -c $(($3 / (${#2} + 1) * (${#2} + 1)))
	printf '%s%s' "$2" "$4"
}

@test "a body of many values is refused before it takes the memory for them" {
	local before

	before=$(low_water n1)
	many_values '{"operation":"nothing_like_it","records":[' '{}' 20000000 ']}' >"$HL_T/body"
	raw n1 -H "$BASIC" --data-binary @"$HL_T/body"
	is_error 413 'more values than operationsApi.network.maxBodyValues (1000000)'
	many_values '{"operation":"insert","table":"dog","records":[{"id":1,"a":[' 1 8000000 ']}]}' >"$HL_T/body"
	raw n1 -H "$BASIC" --data-binary @"$HL_T/body"
	is_error 413 maxBodyValues
	# MessagePack and CBOR: 8000000 empty maps in an array.
	for type in 'x-msgpack \xdd' 'cbor \x9a'; do
		{
			printf '%b\x00\x7a\x12\x00' "${type#* }"
			head -c 8000000 /dev/zero
		} >"$HL_T/body"
		raw n1 -H "$BASIC" -H "Content-Type: application/${type% *}" --data-binary @"$HL_T/body"
		is_error 413 maxBodyValues
	done
	[ $(($(high_water n1) - before)) -lt 500000 ]
}

@test "a long body is not made into values for who may not ask for it" {
	local before

	ok n1 '{"operation":"add_role","role":"poor","permission":{"super_user":false}}'
	ok n1 '{"operation":"add_user","username":"poor","password":"poor","role":"poor","active":true}'
	before=$(low_water n1)
	many_values '{"operation":"insert","database":"dev","table":"dog","records":[' '{}' 2900000 ']}' >"$HL_T/body"
	raw n1 -u poor:poor --data-binary @"$HL_T/body"
	[ "$code" = 403 ]
	for o in describe_nothing list_users; do
		many_values '{"a":[' '{}' 2900000 "],\"operation\":\"$o\"}" >"$HL_T/body"
		raw n1 -u poor:poor --data-binary @"$HL_T/body"
		[ "$code" = $([ $o = list_users ] && echo 403 || echo 400) ]
	done
	[ $(($(high_water n1) - before)) -lt 150000 ]
}

@test "long bodies are read as short ones are, in every format" {
	local rows

	rows=$(jq -nc '[range(20000) | {id: "k\(.)", n: .}]')
	raw n1 -H "$BASIC" --data-binary @- <<<"{\"operation\":\"upsert\",\"database\":\"dev\",\"table\":\"dog\",\"records\":$rows}"
	[ "$code" = 200 ]
	# Its handler runs where the connection is, once it is read.
	raw n1 -H "$BASIC" --data-binary @- <<<"{\"operation\":\"search_by_id\",\"database\":\"dev\",\"table\":\"dog\",\"get_attributes\":[\"n\"],\"ids\":$(jq -c 'map(.id)' <<<"$rows")}"
	[ "$code" = 200 ]
	[ "$(jq -c 'map(.n)' <<<"$body")" = "$(jq -nc '[range(20000)]')" ]
	# And one that a worker runs.
	raw n1 -H "$BASIC" --data-binary @- <<<"{\"operation\":\"cluster_status\",\"pad\":$rows}"
	[ "$code" = 200 ]
}

no_more_than()	# no_more_than NODE KB
{
	[ "$(rss "$1")" -lt "$2" ]
}

@test "one thread answers others while a long body is made into values, whose memory goes back" {
	local before fd line

	node_start single THREADS=1 OPERATIONSAPI_NETWORK_MAXBODYVALUES=10000000 OPERATIONSAPI_NETWORK_MAXREQUESTBYTES=2000000000
	before=$(rss single)
	many_values '{"operation":"user_info","pad":[' 1 6000000 ']}' >"$HL_T/body"
	exec {fd}<>"/dev/tcp/127.0.0.1/$(port single api)"
	{
		printf 'POST / HTTP/1.1\r\nHost: a\r\n%s\r\nContent-Length: %d\r\n\r\n' "$BASIC" "$(stat -c %s "$HL_T/body")"
		head -c -1 "$HL_T/body"
	} >&"$fd"
	printf '}' >&"$fd"
	[ "$(curl -s -m 20 "http://127.0.0.1:$(port single api)/health")" = 'hubleaf is running.' ]
	! read -r -t 0 -u "$fd" || return 1
	read -r -t 60 -u "$fd" line
	[[ $line == 'HTTP/1.1 200 '* ]]
	ldd "$HL_BUILD/opsd/opsd" | grep -q asan || wait_until 10 no_more_than single $((before + 60000))
	echo "# a body of 3000000 values: opsd had $before KB, then $(high_water single), then $(rss single)" >&3
	exec {fd}>&-
	node_stop single
}

@test "text with half a surrogate pair, as JavaScript writes it, has U+FFFD in its place" {
	raw n1 -H "$BASIC" -d '{"operation":"upsert","database":"dev","table":"dog","records":[{"id":"half","s":"a\ud83dz","p":"\ud83d\ude00"}]}'
	[ "$code" = 200 ]
	ok n1 '{"operation":"search_by_id","database":"dev","table":"dog","ids":["half"],"get_attributes":["s","p"]}' \
	    '.[0] == {s: "a\ufffdz", p: "\ud83d\ude00"}'
}

@test "bodies and answers in gzip and zstd" {
	local how

	echo '{"operation":"upsert","database":"dev","table":"dog","records":[{"id":"coded"}]}' >"$HL_T/body"
	gzip -c "$HL_T/body" >"$HL_T/body.gzip"
	zstd -q -c "$HL_T/body" >"$HL_T/body.zstd"
	for how in gzip zstd; do
		raw n1 -H "$BASIC" -H "Content-Encoding: $how" --data-binary @"$HL_T/body.$how"
		[ "$code" = 200 ]
		[[ $body == *'"upserted_hashes":["coded"]'* ]]
		# What is in it counts, not what it takes on the way.
		head -c 70000000 /dev/zero | tr '\0' ' ' | case $how in gzip) gzip ;; *) zstd -q ;; esac >"$HL_T/bomb"
		raw n1 -H "$BASIC" -H "Content-Encoding: $how" --data-binary @"$HL_T/bomb"
		is_error 413 'maxBodySize (67108864 bytes) when it is decoded'
		head -c 40 "$HL_T/body.$how" >"$HL_T/cut"
		raw n1 -H "$BASIC" -H "Content-Encoding: $how" --data-binary @"$HL_T/cut"
		is_error 400 "it is no $how"
		# A whole answer, one in pieces, and one that is too short to be worth it.
		for o in '{"operation":"describe_all"}' "$(all_of long)"; do
			curl -s -m 20 -D "$HL_T/head" -H "$BASIC" -H "Accept-Encoding: $how;q=0.9, br" \
			    -d "$o" "http://127.0.0.1:$(port n1 api)/" >"$HL_T/answer"
			grep -qi "^content-encoding: $how" "$HL_T/head"
			ask n1 "$o" | jq -S 'del(..|.db_audit_size?, .last_updated_record?)' >"$HL_T/plain"
			case $how in gzip) gzip -dc ;; *) zstd -qdc ;; esac <"$HL_T/answer" |
			    jq -S 'del(..|.db_audit_size?, .last_updated_record?)' | cmp - "$HL_T/plain"
		done
		raw n1 -H "$BASIC" -H "Accept-Encoding: $how" -d '{"operation":"get_status"}'
		[[ $head != *Content-Encoding* ]]
	done
	raw n1 -H "$BASIC" -H 'Accept-Encoding: gzip;q=0, br' -d '{"operation":"describe_all"}'
	[[ $head != *Content-Encoding* ]]
	jq -e . <<<"$body" >/dev/null
}

ticks()		# ticks NODE NAME: processor time that opsd's threads of that name used
{
	local t sum=0

	for t in /proc/"$(node_pid "$1" opsd)"/task/*; do
		[ "$(cat "$t/comm")" != "$2" ] || sum=$((sum + $(cut -d ' ' -f 14 "$t/stat")))
	done
	echo "$sum"
}

@test "a long answer is not rewritten on the thread that others wait for" {
	local type http worker

	make_table n1 wide
	jq -nc '{operation: "upsert", database: "dev", table: "wide", records: [range(8000) |
	    {id: ., l: [range(100)]}]}' >"$HL_T/wide.json"
	for _ in 1 2 3; do
		ok n1 @"$HL_T/wide.json"
	done
	for type in cbor x-msgpack; do
		http=$(ticks n1 http)
		worker=$(ticks n1 worker)
		raw n1 -H "$BASIC" -H "Accept: application/$type" -o "$HL_T/wide" \
		    -d '{"operation":"read_audit_log","database":"dev","table":"wide"}'
		[ "$code" = 200 ]
		[[ $head == *"application/$type"* ]]
		[ "$(stat -c %s "$HL_T/wide")" -gt 3000000 ]
		http=$(($(ticks n1 http) - http))
		worker=$(($(ticks n1 worker) - worker))
		echo "ticks: http $http, workers $worker"
		[ "$http" -lt "$worker" ]
	done
}
