# shellcheck shell=bash
# A cluster of nats-servers that are none of a node's: x1, x2, ... in $HL_T/nats, each with JetStream.
#
# NATS_MORE	text for the configuration of each, such as users; before nats_make

teardown_file()
{
	local n

	for n in $(nodes); do
		node_stop "$n" || :
	done
	nats_end_all
	hl_end
}

nats_binary()
{
	command -v nats-server || echo "$HL_SRC/build-aux/nats-server"
}

nats_make()	# nats_make SERVER...: ports and configuration, of all of the cluster at once
{
	local s base other routes=

	for s in "$@"; do
		mkdir -p "$HL_T/nats/$s"
		base=$(hl_ports) || return 1
		echo "$base" >"$HL_T/nats/$s/port"
		routes+="${routes:+, }nats-route://127.0.0.1:$((base + 1))"
	done
	for s in "$@"; do
		base=$(nats_port "$s")
		other=
		[ $# = 1 ] || other="cluster { name: theirs, listen: \"127.0.0.1:$((base + 1))\", routes: [ $routes ] }"
		nats_text "$s" "$other" >"$HL_T/nats/$s/server.conf"
	done
}

nats_text()	# nats_text SERVER [TEXT]: its configuration
{
	local base

	base=$(nats_port "$1")
	cat <<-END
	server_name: $1
	listen: "127.0.0.1:$base"
	http: "127.0.0.1:$((base + 2))"
	pid_file: "$HL_T/nats/$1/pid"
	jetstream { store_dir: "$HL_T/nats/$1/store", max_mem: 64MB, max_file: 8GB }
	${2:-}
	${NATS_MORE:-}
	END
}

nats_port()	# nats_port SERVER
{
	cat "$HL_T/nats/$1/port"
}

nats_url()	# nats_url SERVER [USER:PASSWORD]
{
	echo "nats://${2:+$2@}127.0.0.1:$(nats_port "$1")"
}

nats_urls()	# nats_urls USER:PASSWORD|'' SERVER...: as nats.urls takes them
{
	local user=$1 s

	shift
	for s in "$@"; do
		nats_url "$s" "$user"
	done | command jq -Rn -c '[inputs]'
}

nats_run()	# nats_run SERVER...: started, and ready
{
	local s

	nats_spawn "$@" || return 1
	for s in "$@"; do
		wait_until 30 nats_answers "$s" || return 1
	done
}

nats_spawn()	# nats_spawn SERVER...: started
{
	local s fd

	for s in "$@"; do
		(
			for fd in /proc/self/fd/*; do
				fd=${fd##*/}
				[ "$fd" -le 2 ] || eval "exec $fd>&-"
			done
			exec setsid "$(nats_binary)" -c "$HL_T/nats/$s/server.conf" </dev/null >>"$HL_T/nats/$s/log" 2>&1
		) &
		echo $! >"$HL_T/nats/$s/run.pid"
		disown $!
	done
	for s in "$@"; do
		wait_until 30 nats_listens "$s" || return 1
	done
}

nats_listens()
{
	curl -s -m 2 -o /dev/null "http://127.0.0.1:$(($(nats_port "$1") + 2))/varz"
}

nats_healthz()	# nats_healthz SERVER [QUERY]
{
	curl -s -m 2 "http://127.0.0.1:$(($(nats_port "$1") + 2))/healthz${2:-}" | command jq -r .status
}

nats_answers()
{
	[ "$(nats_healthz "$1" '?js-server-only=true')" = ok ]
}

nats_level()	# nats_level SERVER: it has caught up with all of its streams
{
	[ "$(nats_healthz "$1")" = ok ]
}

nats_end()	# nats_end SERVER [SIGNAL]
{
	local pid

	pid=$(cat "$HL_T/nats/$1/run.pid" 2>/dev/null) || return 0
	kill "-${2:-TERM}" "$pid" 2>/dev/null || :
	wait_until 20 gone "$pid" || kill -KILL "$pid"
	rm -f "$HL_T/nats/$1/run.pid"
}

nats_end_all()
{
	local dir

	for dir in "$HL_T"/nats/*/; do
		[ ! -e "$dir/run.pid" ] || nats_end "$(basename "$dir")"
	done
}

nats_streams()	# what each server that runs says of the streams that it keeps
{
	local dir

	for dir in "$HL_T"/nats/*/; do
		[ ! -e "$dir/run.pid" ] || curl -s -m 5 \
		    "http://127.0.0.1:$(($(cat "$dir/port") + 2))/jsz?accounts=1&streams=1&config=1"
	done | command jq -sc '[.[].account_details[]?.stream_detail[]?]'
}

nats_leader()	# nats_leader STREAM: the server that leads it, which runs
{
	local leader

	leader=$(nats_streams | command jq -r "[.[] | select(.name == \"$1\") | .cluster.leader | select(. != null and . != \"\")][0] // empty")
	[ -n "$leader" ] && [ -e "$HL_T/nats/$leader/run.pid" ] && echo "$leader"
}
