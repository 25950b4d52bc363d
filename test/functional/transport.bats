#!/usr/bin/env bats
# HTTP as clients from outside use and abuse it: heads, bodies, pipelines, slow and many
# clients, other origins, limits.

load node.bash

HL_CLIENTS=$HL_BUILD/test/functional/clients
BASIC="Authorization: Basic $(printf %s "$HL_USER:$HL_PASSWORD" | base64)"

start_nodes()
{
	node_start n1
	# One with limits that a test can reach.
	node_start n2 OPERATIONSAPI_NETWORK_HEADERSTIMEOUT=1500 \
	    OPERATIONSAPI_NETWORK_TIMEOUT=2000 OPERATIONSAPI_NETWORK_KEEPALIVETIMEOUT=1000 \
	    OPERATIONSAPI_NETWORK_MAXHEADERSIZE=2048 OPERATIONSAPI_NETWORK_MAXBODYSIZE=200000 \
	    OPERATIONSAPI_NETWORK_MAXBODYDEPTH=20 OPERATIONSAPI_NETWORK_MAXCONNECTIONS=8 \
	    OPERATIONSAPI_NETWORK_MAXREQUESTBYTES=300000 OPERATIONSAPI_NETWORK_MAXREQUESTS=4 \
	    'OPERATIONSAPI_NETWORK_CORSACCESSLIST=["https://studio.example"]' \
	    AUTHENTICATION_AUTHORIZELOCAL=true
	ok n1 '{"operation":"create_database","database":"dev"}'
	ok n2 '{"operation":"create_database","database":"dev"}'
	make_table n1 dog
	make_table n2 dog
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
	[ "$code" = "$1" ]
	[[ $(jq -r .error <<<"$body") == *"${2:-}"* ]]
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
	raw n1 -d '{}' -H 'Content-Encoding: gzip'
	is_error 415
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
		run half n1 < <(post '{}' "$header"; post '{"operation":"drop_database","database":"dev"}')
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

# Bodies that stay incomplete hold what they have.
@test "too many requests and too many bytes are told so" {
	local fd fds=() i

	for i in 1 2; do
		exec {fd}<>"/dev/tcp/127.0.0.1/$(port n2 api)"
		printf 'POST / HTTP/1.1\r\nHost: a\r\n%s\r\nContent-Length: 150000\r\n\r\n%0140000d' "$BASIC" 1 >&"$fd"
		fds+=("$fd")
	done
	raw n2 -u admin:admin-secret -H Expect: -d "$(printf %0100000d 1)"
	is_error 503 maxRequestBytes
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
