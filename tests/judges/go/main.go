// Judges a transparency log with Go's own implementation, golang.org/x/mod/sumdb.
//
// usage: tlog VKEY LOG [-older CHECKPOINT]... [-consistency REQUEST]... [-proof TLOG-PROOF]... [-witness VKEY]...
//
// VKEY is a file with the log's verifier key, LOG the log's directory. The checkpoint, every tile,
// every entry, the inclusion of entries, and the consistency with older checkpoints are checked;
// so is each tlog-proof, whose extra data must be the entry that it proves; each witness, in a file
// with its vkey, must have cosigned the checkpoint (C2SP tlog-cosignature). Prints what it saw as
// JSON; ends with 3 and the reason if something does not add up.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A tile of C2SP's tlog-tiles has the bytes of a sumdb tile of this height.
const height = 8
const width = 1 << height

func refuse(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(3)
}

func check(what string, err error) {
	if err != nil {
		refuse("%s: %v", what, err)
	}
}

// open verifies a checkpoint: origin, size and root as a signed note.
func open(what string, message []byte, verifier note.Verifier) tlog.Tree {
	signed, err := note.Open(message, note.VerifierList(verifier))
	check(what, err)
	origin, rest, _ := strings.Cut(signed.Text, "\n")
	if origin != verifier.Name() {
		refuse("%s: origin %q, the key is of %q", what, origin, verifier.Name())
	}
	// Go's checksum database has a fixed first line where other logs have their origin.
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + rest))
	check(what, err)
	return tree
}

// tiles reads a log's tiles; it trusts none of them, tlog.TileHashReader checks.
type tiles struct {
	dir  string
	seen map[string][]byte
}

func (t tiles) Height() int { return height }

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		data, err := t.read(path(tile))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (t tiles) read(path string) ([]byte, error) {
	if data, ok := t.seen[path]; ok {
		return data, nil
	}
	data, err := os.ReadFile(filepath.Join(t.dir, path))
	if err == nil {
		t.seen[path] = data
	}
	return data, err
}

// path is a tile's name: sumdb puts the height before the level, tlog-tiles does not, and calls the
// entries "entries", not "data".
func path(tile tlog.Tile) string {
	rest := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	return "tile/" + strings.Replace(rest, "data/", "entries/", 1)
}

// entries reads a bundle: each entry behind its length, 16 bits, big-endian.
func (t tiles) entries(bundle tlog.Tile) [][]byte {
	data, err := t.read(path(bundle))
	check("entries", err)
	var all [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			refuse("entries: %s is cut short", path(bundle))
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		all = append(all, data[2:end])
		data = data[end:]
	}
	if len(all) != bundle.W {
		refuse("entries: %s has %d, want %d", path(bundle), len(all), bundle.W)
	}
	return all
}

// recomputed is a log's hashes as its entries have them.
type recomputed []tlog.Hash

func (r recomputed) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, index := range indexes {
		if index >= int64(len(r)) {
			return nil, fmt.Errorf("no hash %d", index)
		}
		all = append(all, r[index])
	}
	return all, nil
}

// recompute makes root and tiles anew from the entries, and compares. TileHashReader does not do all
// of this: where several peaks of the tree are in one tile, it leaves some full tiles unchecked.
func recompute(tree tlog.Tree, source tiles) {
	var all recomputed
	for first := int64(0); first < tree.N; first += width {
		bundle := tlog.Tile{H: height, L: -1, N: first / width, W: width}
		if tree.N-first < width {
			bundle.W = int(tree.N - first)
		}
		for i, entry := range source.entries(bundle) {
			hashes, err := tlog.StoredHashes(first+int64(i), entry, all)
			check("entries", err)
			all = append(all, hashes...)
		}
	}
	root, err := tlog.TreeHash(tree.N, all)
	check("entries", err)
	if root != tree.Hash {
		refuse("entries: they lead to root %v, the checkpoint says %v", root, tree.Hash)
	}
	for level, hashes := 0, tree.N; hashes > 0; level, hashes = level+1, hashes/width {
		for n := int64(0); n*width < hashes; n++ {
			tile := tlog.Tile{H: height, L: level, N: n, W: width}
			if hashes-n*width < width {
				tile.W = int(hashes - n*width)
			}
			wanted, err := tlog.ReadTileData(tile, all)
			check("tiles", err)
			found, err := source.read(path(tile))
			check("tiles", err)
			if !bytes.Equal(found, wanted) {
				refuse("tiles: %s is not what the entries lead to", path(tile))
			}
		}
	}
}

// checkInclusion proves and checks entries: all of a small log, some hundred of a large one.
func checkInclusion(tree tlog.Tree, hashes tlog.HashReader) int {
	proofs := 0
	for n := int64(0); n < tree.N; n += 1 + tree.N/251 {
		leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
		check("tiles", err)
		proof, err := tlog.ProveRecord(tree.N, n, hashes)
		check("inclusion", err)
		check("inclusion", tlog.CheckRecord(proof, tree.N, tree.Hash, n, leaf[0]))
		proofs++
	}
	return proofs
}

func checkConsistency(what string, older, tree tlog.Tree, hashes tlog.HashReader) {
	if older.N > tree.N {
		refuse("%s: of size %d, the log has %d", what, older.N, tree.N)
	}
	proof, err := tlog.ProveTree(tree.N, older.N, hashes)
	check(what, err)
	check(what, tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash))
}

func cutPrefix(s, prefix string) (string, bool) {
	return strings.TrimPrefix(s, prefix), strings.HasPrefix(s, prefix)
}

// checkProof reads a C2SP tlog-proof that carries its entry, and returns its tree.
func checkProof(data []byte, verifier note.Verifier) tlog.Tree {
	head, checkpoint, _ := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		refuse("proof: its head is %q", head)
	}
	extra, ok := cutPrefix(lines[1], "extra ")
	entry, err := base64.StdEncoding.DecodeString(extra)
	if !ok || err != nil {
		refuse("proof: no extra data in base64: %q", lines[1])
	}
	decimal, ok := cutPrefix(lines[2], "index ")
	index, err := strconv.ParseInt(decimal, 10, 64)
	if !ok || err != nil {
		refuse("proof: no index: %q", lines[2])
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		check("proof", err)
		proof = append(proof, hash)
	}
	tree := open("proof", checkpoint, verifier)
	check("proof", tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)))
	return tree
}

// checkRequest reads a consistency proof that somebody else made, as the body of a C2SP add-checkpoint
// request (tlog-witness): from an older checkpoint, by its size, to the one that comes with it.
func checkRequest(data []byte, verifier note.Verifier, older map[int64]tlog.Tree) tlog.Tree {
	head, checkpoint, _ := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	decimal, ok := cutPrefix(lines[0], "old ")
	size, err := strconv.ParseInt(decimal, 10, 64)
	if !ok || err != nil {
		refuse("consistency: no old size: %q", lines[0])
	}
	old, ok := older[size]
	if !ok {
		refuse("consistency: no older checkpoint of size %d was given", size)
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		check("consistency", err)
		proof = append(proof, hash)
	}
	tree := open("consistency", checkpoint, verifier)
	check("consistency", tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	return tree
}

// cosigner verifies timestamped cosignatures, which x/mod does not know.
type cosigner struct {
	name string
	key  ed25519.PublicKey
	time *uint64
}

func newCosigner(vkey string) cosigner {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		refuse("witness: no vkey: %q", vkey)
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		refuse("witness: no cosignature key: %q", vkey)
	}
	c := cosigner{parts[0], ed25519.PublicKey(key[1:]), new(uint64)}
	if parts[1] != fmt.Sprintf("%08x", c.KeyHash()) {
		refuse("witness: key ID %s, want %08x", parts[1], c.KeyHash())
	}
	return c
}

func (c cosigner) Name() string { return c.name }

func (c cosigner) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(c.name+"\n\x04"), c.key...))
	return binary.BigEndian.Uint32(sum[:])
}

func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	*c.time = binary.BigEndian.Uint64(sig)
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", *c.time)
	return ed25519.Verify(c.key, append([]byte(head), msg...), sig[8:])
}

// checkCosigned returns the time at which the witness cosigned a checkpoint.
func checkCosigned(checkpoint []byte, witness cosigner) uint64 {
	_, err := note.Open(checkpoint, note.VerifierList(witness))
	check("witness", err)
	return *witness.time
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return data
}

func main() {
	if len(os.Args) < 3 || len(os.Args)%2 == 0 {
		fmt.Fprintln(os.Stderr, "usage: tlog VKEY LOG [-older CHECKPOINT]... [-consistency REQUEST]... [-proof TLOG-PROOF]... [-witness VKEY]...")
		os.Exit(1)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(read(os.Args[1]))))
	check("vkey", err)
	dir := os.Args[2]
	tree := open("checkpoint", read(filepath.Join(dir, "checkpoint")), verifier)
	source := tiles{dir, map[string][]byte{}}
	hashes := tlog.TileHashReader(tree, source)

	root, err := tlog.TreeHash(tree.N, hashes)
	check("tiles", err)
	if root != tree.Hash {
		refuse("tiles: root %v, the checkpoint says %v", root, tree.Hash)
	}
	recompute(tree, source)
	inclusions := checkInclusion(tree, hashes)
	olds, proofs, consistencies := map[int64]tlog.Tree{}, 0, 0
	cosigned := []uint64{}
	for args := os.Args[3:]; len(args) > 0; args = args[2:] {
		switch data := read(args[1]); args[0] {
		case "-older":
			older := open("older", data, verifier)
			checkConsistency("older", older, tree, hashes)
			olds[older.N] = older
		case "-consistency":
			checkConsistency("consistency", checkRequest(data, verifier, olds), tree, hashes)
			consistencies++
		case "-proof":
			checkConsistency("proof", checkProof(data, verifier), tree, hashes)
			proofs++
		case "-witness":
			witness := newCosigner(strings.TrimSpace(string(data)))
			cosigned = append(cosigned, checkCosigned(read(filepath.Join(dir, "checkpoint")), witness))
		default:
			refuse("argument: %s", args[0])
		}
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"size": tree.N, "inclusions": inclusions, "older": len(olds), "proofs": proofs,
		"consistencies": consistencies, "cosigned": cosigned,
	})
}
