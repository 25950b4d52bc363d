#!/usr/bin/env bats
# A reload, by SIGHUP: what is read anew, and what systemd is told of it.

load node.bash

setup_file()
{
	hl_begin
}

certificate()	# certificate NAME: $HL_T/cert.pem and key.pem, of that name
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
	    -keyout "$HL_T/key.pem" -out "$HL_T/cert.pem" 2>/dev/null
}

presented()	# presented PORT NAME: that is the name in the certificate there
{
	timeout 5 openssl s_client -connect "127.0.0.1:$1" </dev/null 2>/dev/null |
	    openssl x509 -noout -subject | grep -q "CN *= *$2\$"
}

told()		# told TEXT...: systemd was told of these, in this order, since $SEEN
{
	tail -n "+$SEEN" "$HL_T/told" | grep -E "$(IFS='|'; echo "$*")" |
	    sed 's/ .*//' | tr '\n' ' ' | grep -qF "$*"
}

reload()
{
	SEEN=$(($(wc -l <"$HL_T/told") + 1))
	kill -HUP "$1"
	wait_until 5 told "RELOADING=1" "READY=1"
}

@test "opsd: settings, its log's file, the API's certificate; systemd is told when it is done" {
	local dir=$HL_T/nodes/n1 secure

	certificate first
	node_make n1 CLUSTERING_ENABLED=false "TLS_CERTIFICATE=$HL_T/cert.pem" \
	    "TLS_PRIVATEKEY=$HL_T/key.pem"
	secure=$(($(port n1 api) + 1))
	echo "OPERATIONSAPI_NETWORK_SECUREPORT=$secure" >>"$dir/env"
	"$HL_BUILD/test/functional/notify" "$HL_T/notify" >"$HL_T/told" 3>&- &
	echo $! >"$HL_T/notify.pid"
	wait_until 5 test -S "$HL_T/notify"
	# shellcheck disable=SC2046 # words
	env $(cat "$dir/env") NOTIFY_SOCKET="$HL_T/notify" \
	    "$HL_BUILD/opsd/opsd" -c "$dir/hubleaf.yaml" >"$dir/log" 2>&1 3>&- &
	echo $! >"$dir/run.pid"
	SEEN=1
	wait_until 10 told READY=1
	presented "$secure" first

	certificate second
	mv "$(root n1)/log/opsd.log" "$(root n1)/log/moved"
	echo 'logging: { level: warn }' >>"$dir/hubleaf.yaml"
	reload "$(cat "$dir/run.pid")"
	grep -E 'RELOADING=1 MONOTONIC_USEC=[0-9]+' "$HL_T/told"
	# By the time that it is done all of it is so.
	presented "$secure" second
	[ -e "$(root n1)/log/opsd.log" ]
	[ "$(curl -s --unix-socket "$(root n1)/operations-server" -H 'Content-Type: application/json' \
	    -d '{"operation":"get_configuration"}' http://x/ | jq -r .logging.level)" = warn ]
}

@test "opsd: a certificate that is no good: the old one stays, and the log says why" {
	local dir=$HL_T/nodes/n1

	echo nonsense >"$HL_T/cert.pem"
	reload "$(cat "$dir/run.pid")"
	presented $(($(port n1 api) + 1)) second
	grep "the certificate stays as it was: .*cert.pem" "$dir/log"
}

@test "hubd and leafd: their logs' files" {
	local d

	for d in hubd leafd; do
		SEEN=$(($(wc -l <"$HL_T/told") + 1))
		# shellcheck disable=SC2046 # words
		env $(cat "$HL_T/nodes/n1/env") NOTIFY_SOCKET="$HL_T/notify" \
		    "$HL_BUILD/$d/$d" -c "$HL_T/nodes/n1/hubleaf.yaml" >"$HL_T/$d.log" 2>&1 3>&- &
		echo $! >"$HL_T/$d.pid"
		wait_until 5 told READY=1
		mv "$(root n1)/log/$d.log" "$(root n1)/log/$d.moved"
		reload "$!"
		wait_until 5 test -e "$(root n1)/log/$d.log"
		kill "$(cat "$HL_T/$d.pid")"
		wait "$(cat "$HL_T/$d.pid")" || :
	done
	kill "$(cat "$HL_T/notify.pid")"
}
