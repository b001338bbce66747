package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"regexp"
	"slices"
	"strings"
)

// The vf1 format as docs/sealing.md has it, with nothing but Go's standard library.
// Only what the page says is here: no limits, no messages.

var (
	errMalformed = errors.New("TokenMalformed")
	errUnknown   = errors.New("UnknownKeyId")
	errNotOpened = errors.New("TokenNotOpened")

	canonicalKeyID = regexp.MustCompile(`\A[0-9a-f]{8}-[1-9][0-9]{0,5}\z`)
)

type place struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Field     string `json:"field"`
}

type header struct{ suite, scope, keyID string }

func pack(parts ...string) string {
	var packed []byte
	for _, part := range parts {
		packed = binary.BigEndian.AppendUint32(packed, uint32(len(part)))
		packed = append(packed, part...)
	}
	return string(packed)
}

func derive(root []byte, info string, length int) []byte {
	key, err := hkdf.Key(sha256.New, root, nil, info, length)
	if err != nil {
		panic(err)
	}
	return key
}

func kid(root []byte) string {
	return hex.EncodeToString(derive(root, pack("vaultferry", "kid"), 4))
}

func (h header) info(at place) string {
	switch h.scope {
	case "namespace":
		at = place{Namespace: at.Namespace}
	case "cluster":
		at = place{}
	}
	return pack("vaultferry", "vf1", h.suite, h.scope, h.keyID,
		at.Namespace, at.Name, at.Field)
}

func parse(token string) (header, []byte, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 5 || parts[0] != "vf1" {
		return header{}, nil, errMalformed
	}
	h := header{suite: parts[1], scope: parts[2], keyID: parts[3]}
	payload, err := base64.RawURLEncoding.DecodeString(parts[4])
	canonical := err == nil && base64.RawURLEncoding.EncodeToString(payload) == parts[4]
	if !slices.Contains([]string{"hpke-x25519", "hpke-mlkem768x25519", "fernet"}, h.suite) ||
		!slices.Contains([]string{"strict", "namespace", "cluster"}, h.scope) ||
		!canonicalKeyID.MatchString(h.keyID) || !canonical || len(payload) == 0 {
		return header{}, nil, errMalformed
	}
	return h, payload, nil
}

func open(root []byte, token string, at place) ([]byte, error) {
	h, payload, err := parse(token)
	if err != nil {
		return nil, err
	}
	if named, _, _ := strings.Cut(h.keyID, "-"); named != kid(root) {
		return nil, errUnknown
	}
	if h.suite == "fernet" {
		return openFernet(derive(root, h.info(at), 32), payload)
	}
	plaintext, err := hpke.Open(privateKey(root, h.suite, h.keyID), hpke.HKDFSHA256(),
		hpke.AES256GCM(), []byte(h.info(at)), payload)
	if err != nil {
		return nil, errNotOpened
	}
	return plaintext, nil
}

func seal(root []byte, h header, at place, plaintext []byte) string {
	var payload []byte
	if h.suite == "fernet" {
		payload = sealFernet(derive(root, h.info(at), 32), plaintext)
	} else {
		var err error
		payload, err = hpke.Seal(privateKey(root, h.suite, h.keyID).PublicKey(),
			hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(h.info(at)), plaintext)
		if err != nil {
			panic(err)
		}
	}
	return strings.Join([]string{"vf1", h.suite, h.scope, h.keyID,
		base64.RawURLEncoding.EncodeToString(payload)}, ".")
}

func privateKey(root []byte, suite, keyID string) hpke.PrivateKey {
	kem := hpke.DHKEM(ecdh.X25519())
	if suite == "hpke-mlkem768x25519" {
		kem = hpke.MLKEM768X25519()
	}
	seed := derive(root, pack("vaultferry", "private-key", suite, keyID), 32)
	key, err := kem.NewPrivateKey(seed)
	if err != nil {
		panic(err)
	}
	return key
}

func publicKeyText(root []byte, suite, keyID string) string {
	raw := privateKey(root, suite, keyID).PublicKey().Bytes()
	return strings.Join([]string{"vfpk1", suite, keyID,
		base64.RawURLEncoding.EncodeToString(raw)}, ".")
}

// Fernet: 0x80, 8 bytes of time (0), 16 of IV, AES-128-CBC with PKCS #7 padding,
// HMAC-SHA256 over all before it. Key: 16 bytes for the HMAC, 16 for AES.

func sealFernet(key, plaintext []byte) []byte {
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	padded := append(slices.Clone(plaintext), bytes.Repeat([]byte{byte(padding)}, padding)...)
	token := append([]byte{0x80}, make([]byte, 8+aes.BlockSize)...)
	rand.Read(token[9:])
	block, _ := aes.NewCipher(key[16:])
	cipher.NewCBCEncrypter(block, token[9:]).CryptBlocks(padded, padded)
	token = append(token, padded...)
	return append(token, fernetMAC(key, token)...)
}

func openFernet(key, token []byte) ([]byte, error) {
	body := len(token) - sha256.Size
	if body < 25+aes.BlockSize || (body-25)%aes.BlockSize != 0 || token[0] != 0x80 ||
		!hmac.Equal(token[body:], fernetMAC(key, token[:body])) {
		return nil, errNotOpened
	}
	block, _ := aes.NewCipher(key[16:])
	plaintext := slices.Clone(token[25:body])
	cipher.NewCBCDecrypter(block, token[9:25]).CryptBlocks(plaintext, plaintext)
	padding := int(plaintext[len(plaintext)-1])
	if padding < 1 || padding > aes.BlockSize {
		return nil, errNotOpened
	}
	return plaintext[:len(plaintext)-padding], nil
}

func fernetMAC(key, signed []byte) []byte {
	mac := hmac.New(sha256.New, key[:16])
	mac.Write(signed)
	return mac.Sum(nil)
}

func fingerprint(root []byte, keyID, namespace, name string, values map[string][]byte) string {
	var parts []string
	for field := range values {
		parts = append(parts, field)
	}
	slices.Sort(parts)
	for i, field := range slices.Clone(parts) {
		parts = slices.Insert(parts, 2*i+1, string(values[field]))
	}
	mac := hmac.New(sha256.New, derive(root, pack("vaultferry", "fingerprint", keyID, namespace, name), 32))
	mac.Write([]byte(pack(parts...)))
	return keyID + "." + hex.EncodeToString(mac.Sum(nil))[:32]
}
