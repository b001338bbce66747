// Check reads docs/vectors/vf1.json, does everything it says from the root keys alone,
// and prints how much it checked and what it sealed itself.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
)

type key []byte

func (k *key) UnmarshalText(text []byte) error {
	raw, err := base64.URLEncoding.Strict().DecodeString(string(text))
	*k = raw
	return err
}

func (k key) MarshalText() ([]byte, error) {
	return []byte(base64.URLEncoding.EncodeToString(k)), nil
}

type vector struct {
	Title     string  `json:"title"`
	RootKey   key     `json:"rootKey"`
	Epoch     int     `json:"epoch"`
	KeyID     string  `json:"keyId"`
	Suite     string  `json:"suite"`
	PublicKey *string `json:"publicKey"`
	Scope     string  `json:"scope"`
	Place     place   `json:"place"`
	Info      string  `json:"info"`
	Plaintext []byte  `json:"plaintext"`
	Token     string  `json:"token"`
	Reason    string  `json:"reason"`
}

type credential struct {
	RootKey     key               `json:"rootKey"`
	Epoch       int               `json:"epoch"`
	Namespace   string            `json:"namespace"`
	Name        string            `json:"name"`
	Values      map[string][]byte `json:"values"`
	Fingerprint string            `json:"fingerprint"`
}

type vectors struct {
	Opened       []vector     `json:"opened"`
	Refused      []vector     `json:"refused"`
	Fingerprints []credential `json:"fingerprints"`
}

type answer struct {
	Checked map[string]int `json:"checked"`
	Sealed  []vector       `json:"sealed"`
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var all vectors
	if err := json.Unmarshal(text, &all); err != nil {
		log.Fatal(err)
	}
	result := answer{Checked: map[string]int{
		"opened":       len(all.Opened),
		"refused":      len(all.Refused),
		"fingerprints": len(all.Fingerprints),
	}}
	for _, v := range all.Opened {
		checkOpened(v)
		h := header{suite: v.Suite, scope: v.Scope, keyID: v.KeyID}
		v.Token = seal(v.RootKey, h, v.Place, v.Plaintext)
		result.Sealed = append(result.Sealed, v)
	}
	for _, v := range all.Refused {
		_, err := open(v.RootKey, v.Token, v.Place)
		demand(err != nil && err.Error() == v.Reason, v.Title, err)
	}
	for i, c := range all.Fingerprints {
		keyID := fmt.Sprintf("%s-%d", kid(c.RootKey), c.Epoch)
		made := fingerprint(c.RootKey, keyID, c.Namespace, c.Name, c.Values)
		demand(made == c.Fingerprint, fmt.Sprint("fingerprint ", i), nil)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}

func checkOpened(v vector) {
	keyID := fmt.Sprintf("%s-%d", kid(v.RootKey), v.Epoch)
	demand(keyID == v.KeyID, v.Title+": key id", nil)
	h, _, err := parse(v.Token)
	demand(err == nil && h == header{v.Suite, v.Scope, v.KeyID}, v.Title+": header", err)
	demand(hex.EncodeToString([]byte(h.info(v.Place))) == v.Info, v.Title+": info", nil)
	if v.Suite != "fernet" {
		text := publicKeyText(v.RootKey, v.Suite, v.KeyID)
		demand(v.PublicKey != nil && *v.PublicKey == text, v.Title+": public key", nil)
	}
	plaintext, err := open(v.RootKey, v.Token, v.Place)
	demand(err == nil && bytes.Equal(plaintext, v.Plaintext), v.Title, err)
}

func demand(holds bool, title string, err error) {
	if !holds {
		log.Fatalf("differs: %s: %v", title, err)
	}
}
