#!/usr/bin/perl
# jwt.pl FOLDER [END]: an operator, an account with JetStream and a user of it, as nsc would make them, for a
# nats-server: operator.jwt, resolver.conf (the account) and user.creds, in a folder that is there; with END
# also short.creds of the same user, which count until then, in seconds since 1970.
use strict;
use warnings;
use MIME::Base64 qw(encode_base64);

my $dir = shift or die "usage: jwt.pl FOLDER [END]\n";
my $end = shift;
my %types = (operator => 14 << 3, account => 0, system => 0, user => 20 << 3);
my $seed_type = 18 << 3;
my %public;

sub base32 {
	my $bits = unpack('B*', shift);
	$bits .= '0' x (-length($bits) % 5);
	return join '', map { substr('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', oct("0b$_"), 1) } $bits =~ /.{5}/g;
}

# CRC-16/XMODEM behind the bytes, the low one first.
sub nkey {
	my ($bytes, $crc) = (shift, 0);
	for my $byte (unpack('C*', $bytes)) {
		$crc ^= $byte << 8;
		$crc = $crc & 0x8000 ? ($crc << 1 ^ 0x1021) & 0xffff : $crc << 1 for 1 .. 8;
	}
	return base32($bytes . pack('v', $crc));
}

sub output {
	open(my $from, '-|', @_) or die "$_[0]: $!\n";
	binmode $from;
	local $/;
	my $out = <$from>;
	close($from) or die "$_[0] failed\n";
	return $out;
}

sub put {
	my ($file, $text) = @_;
	open(my $to, '>', "$dir/$file") or die "$dir/$file: $!\n";
	print $to $text;
	close($to) or die "$dir/$file: $!\n";
}

sub key {
	my $who = shift;
	system('openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$dir/$who.key") == 0 or die;
	$public{$who} = nkey(pack('C', $types{$who}) .
	    substr(output('openssl', 'pkey', '-in', "$dir/$who.key", '-pubout', '-outform', 'DER'), -32));
}

sub url64 {
	my $text = encode_base64(shift, '');
	$text =~ tr{+/}{-_};
	$text =~ s/=+$//;
	return $text;
}

# Signed by that one's key.
sub token {
	my ($who, $by, $nats, $more) = (@_, '');
	my $type = $who eq 'system' ? 'account' : $who;
	my $claims = sprintf('{"jti":"%s","iat":%d,%s"iss":"%s","name":"%s","sub":"%s","nats":{%s"type":"%s","version":2}}',
	    uc $who, time, $more, $public{$by}, $who, $public{$who}, $nats, $type);
	my $said = url64('{"typ":"JWT","alg":"ed25519-nkey"}') . '.' . url64($claims);
	put('said', $said);
	return $said . '.' . url64(output('openssl', 'pkeyutl', '-sign', '-rawin', '-inkey', "$dir/$by.key",
	    '-in', "$dir/said"));
}

key($_) for sort keys %types;
put('operator.jwt', token('operator', 'operator', ''));
my $limits = join ',', map { "\"$_\":-1" } qw(subs data payload imports exports conn leaf mem_storage
    disk_storage streams consumer);
my $account = token('account', 'operator', "\"limits\":{$limits,\"wildcards\":true},");
my $system = token('system', 'operator', '');
put('resolver.conf', "operator: \"$dir/operator.jwt\"\nsystem_account: $public{system}\nresolver: MEMORY\n" .
    "resolver_preload: { $public{account}: \"$account\", $public{system}: \"$system\" }\n");
my $seed = nkey(pack('CC', $seed_type | $types{user} >> 5, ($types{user} & 31) << 3) .
    substr(output('openssl', 'pkey', '-in', "$dir/user.key", '-outform', 'DER'), -32));

sub creds {
	my ($file, $more) = @_;
	my $user = token('user', 'account', '"subs":-1,"data":-1,"payload":-1,', $more);
	put($file, "-----BEGIN NATS USER JWT-----\n$user\n------END NATS USER JWT------\n\n" .
	    "-----BEGIN USER NKEY SEED-----\n$seed\n------END USER NKEY SEED------\n");
}

creds('user.creds', '');
creds('short.creds', "\"exp\":$end,") if defined $end;
