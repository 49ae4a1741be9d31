// Reads a DSSE envelope as go-securesystemslib does (dsse/verify.go), which most readers in Go are
// built on: where a signature and the reader's key both have an id, and the two differ, the signature
// is not even tried; a reader that gives its key no id gives it its SSH fingerprint.
//
// usage: dsse ENVELOPE KEY.pem [KEYID]
//
// ENVELOPE is a file with one envelope or with a Sigstore bundle of one. Prints the payload; ends with
// 3 and the reason if no signature is accepted.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
)

type envelope struct {
	Payload     string `json:"payload"`
	PayloadType string `json:"payloadType"`
	Signatures  []struct {
		KeyID string `json:"keyid"`
		Sig   string `json:"sig"`
	} `json:"signatures"`
}

func refuse(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(3)
}

func check(what string, err error) {
	if err != nil {
		refuse("%s: %v", what, err)
	}
}

// fingerprint is what `ssh-keygen -l` shows of the key.
func fingerprint(key ed25519.PublicKey) string {
	var blob []byte
	for _, part := range [][]byte{[]byte("ssh-ed25519"), key} {
		blob = binary.BigEndian.AppendUint32(blob, uint32(len(part)))
		blob = append(blob, part...)
	}
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

func read(path string) envelope {
	data, err := os.ReadFile(path)
	check("file", err)
	var bundle struct {
		Envelope *envelope `json:"dsseEnvelope"`
	}
	check("json", json.Unmarshal(data, &bundle))
	if bundle.Envelope != nil {
		return *bundle.Envelope
	}
	var bare envelope
	check("json", json.Unmarshal(data, &bare))
	return bare
}

func public(path string) ed25519.PublicKey {
	data, err := os.ReadFile(path)
	check("key", err)
	block, _ := pem.Decode(data)
	if block == nil {
		refuse("key: no PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	check("key", err)
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		refuse("key: not Ed25519")
	}
	return key
}

func main() {
	e, key := read(os.Args[1]), public(os.Args[2])
	id := fingerprint(key)
	if len(os.Args) > 3 {
		id = os.Args[3]
	}
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	check("payload", err)
	pae := fmt.Sprintf("DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(payload), payload)
	skipped := 0
	for _, signature := range e.Signatures {
		sig, err := base64.StdEncoding.DecodeString(signature.Sig)
		check("signature", err)
		if signature.KeyID != "" && signature.KeyID != id {
			skipped++
			continue
		}
		if ed25519.Verify(key, []byte(pae), sig) {
			os.Stdout.Write(payload)
			return
		}
	}
	refuse("signature: none of %d accepted, %d skipped", len(e.Signatures), skipped)
}
