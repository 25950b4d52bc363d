# shellcheck shell=bash
# Certificates for the functional tests, made by openssl.

authority()	# authority NAME: a CA of its own in $HL_T/ca.NAME
{
	local d=$HL_T/ca.$1

	mkdir "$d"
	openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=authority $1" \
	    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
	    -keyout "$d/ca.key" -out "$d/ca.pem" 2>/dev/null
}

expired()	# expired AUTHORITY NAME FILE: the same certificate, of the past
{
	local d=$HL_T/ca.$1
	local sign=(openssl x509 -req -in "$d/$2.csr" -CA "$d/ca.pem" -CAkey "$d/ca.key" -out "$3")

	# Newer ones refuse the first, older ones do not know the second.
	"${sign[@]}" -days -1 2>/dev/null ||
	    "${sign[@]}" -not_before 20200101000000Z -not_after 20200102000000Z 2>/dev/null
}

certificate()	# certificate AUTHORITY NAME [USAGE [SAN]]: $HL_T/ca.AUTHORITY/NAME.{key,pem}
{
	local d=$HL_T/ca.$1 usage=${3:-serverAuth,clientAuth} san=${4:-IP:127.0.0.1,DNS:localhost}

	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
	    -keyout "$d/$2.key" -out "$d/$2.csr" 2>/dev/null
	openssl x509 -req -in "$d/$2.csr" -CA "$d/ca.pem" -CAkey "$d/ca.key" -CAcreateserial \
	    -days 30 -out "$d/$2.pem" -extfile <(
		printf 'subjectAltName=%s\nextendedKeyUsage=%s\n' "$san" "$usage") 2>/dev/null
}
