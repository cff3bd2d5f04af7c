import { execFileSync, spawnSync } from 'node:child_process'

/** What a library signs: the private key as JWK and as PEM, and the header and claims of the token. */
export interface Unsigned {
  jwk: object
  pem: string
  header: { alg: string; typ: string; kid: string }
  claims: object
}

export interface TokenLibrary {
  name: string
  algorithms: string[]
  /** Why its test is skipped; false if it runs here. */
  missing: string | false
  sign(token: Unsigned): string
}

// Each program reads an `Unsigned` as JSON and prints the token.
const READ = 'import json, sys; token = json.load(sys.stdin); alg = token["header"]["alg"]; '
const PY_JWT = `${READ}
import jwt
key = jwt.get_algorithm_by_name(alg).from_jwk(json.dumps(token["jwk"]))
print(jwt.encode(token["claims"], key, alg, token["header"]))`
const JWCRYPTO = `${READ}
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT
signed = JWT(header=token["header"], claims=token["claims"], algs=[alg])
signed.make_signed_token(JWK(**token["jwk"]))
print(signed.serialize())`
const AUTHLIB = `${READ}
from authlib.jose import JsonWebKey, JsonWebToken
key = JsonWebKey.import_key(token["jwk"])
print(JsonWebToken([alg]).encode(token["header"], token["claims"], key).decode())`
const RUBY_JWT = `require "json"; require "jwt"; require "openssl"
token = JSON.parse($stdin.read)
key = OpenSSL::PKey.read(token["pem"])
puts JWT.encode(token["claims"], key, token["header"]["alg"], token["header"])`
const CRYPT_JWT = `use Crypt::JWT qw(encode_jwt); use JSON;
my $token = decode_json(join "", <STDIN>);
print encode_jwt(payload => $token->{claims}, alg => $token->{header}{alg}, key => \\$token->{pem},
  extra_headers => { typ => $token->{header}{typ}, kid => $token->{header}{kid} });`

const RSA_AND_EC = ['RS256', 'PS256', 'ES256']
const ALL = [...RSA_AND_EC, 'EdDSA']
/** Debian's Python, if another one comes first on the PATH. */
const PYTHON = { interpreters: ['python3', '/usr/bin/python3'], option: '-c', algorithms: ALL }
const RUBY = { interpreters: ['ruby'], option: '-e', algorithms: RSA_AND_EC }
const PERL = { interpreters: ['perl'], option: '-e', algorithms: RSA_AND_EC }

export const tokenLibraries = [
  { ...PYTHON, name: 'PyJWT', debian: 'python3-jwt', probe: 'import jwt, cryptography', program: PY_JWT },
  { ...PYTHON, name: 'jwcrypto', debian: 'python3-jwcrypto', probe: 'import jwcrypto', program: JWCRYPTO },
  { ...PYTHON, name: 'Authlib', debian: 'python3-authlib', probe: 'import authlib', program: AUTHLIB },
  { ...RUBY, name: 'ruby-jwt', debian: 'ruby-jwt', probe: 'require "jwt"', program: RUBY_JWT },
  {
    ...PERL,
    name: 'Crypt::JWT',
    debian: 'libcrypt-jwt-perl',
    probe: 'use Crypt::JWT; use JSON',
    program: CRYPT_JWT,
  },
].map(({ name, algorithms, interpreters, option, probe, program, debian }): TokenLibrary => {
  const found = interpreters.find((interpreter) => spawnSync(interpreter, [option, probe]).status === 0)
  return {
    name,
    algorithms,
    missing: found === undefined && `${name} is not installed (Debian: ${debian})`,
    sign: (token) =>
      execFileSync(found ?? name, [option, program], {
        input: JSON.stringify(token),
        encoding: 'utf8',
      }).trim(),
  }
})
