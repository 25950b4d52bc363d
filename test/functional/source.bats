#!/usr/bin/env bats
# test/source: where test/check and test/demo build from.  No node is needed.

setup()
{
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree/test" "$tree/build-aux"
	cp "$(dirname "$BATS_TEST_FILENAME")/../source" "$tree/test/"
	cd "$tree" || return 1
	git -c init.defaultBranch=main init -q .
	echo '*.o' >.gitignore
	echo one >kept.c
	echo two >gone.c
	git add -A
}

@test "a tree that was not configured is built from as it is" {
	[ "$(test/source "$BATS_TEST_TMPDIR/copy")" = "$tree" ]
	[ ! -e "$BATS_TEST_TMPDIR/copy" ]
}

@test "of a tree that was configured in place, the sources are copied as they are now" {
	local copy=$BATS_TEST_TMPDIR/copy
	touch config.status kept.o
	echo changed >kept.c
	echo three >new.c
	rm gone.c
	mkdir -p "$copy"
	touch "$copy/of-an-earlier-run"
	echo server >build-aux/nats-server

	run test/source "$copy"
	[ "$status" = 0 ]
	[ "$output" = "$copy" ]
	[ "$(cat "$copy/kept.c")" = changed ]
	[ -e "$copy/new.c" ]
	[ "$(cat "$copy/build-aux/nats-server")" = server ]
	[ ! -e "$copy/gone.c" ]
	[ ! -e "$copy/kept.o" ]
	[ ! -e "$copy/of-an-earlier-run" ]
}

@test "a configured tree that is no checkout is refused in words" {
	touch config.status
	rm -rf .git
	run env GIT_CEILING_DIRECTORIES="$BATS_TEST_TMPDIR" test/source "$BATS_TEST_TMPDIR/copy"
	[ "$status" = 1 ]
	[[ "$output" = *"make distclean"* ]]
}
