package main

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// XXH3-128 with the default secret and seed 0, for inputs longer than 240 bytes: written from the algorithm's
// specification (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), so that the product's digests are
// judged by other code than its own.

// Shorter inputs have other formulas, which nobody needs here: a leaf is at least a sector.
const shortestXXH3Input = 241

const (
	xxhPrime32n1 uint64 = 0x9E3779B1
	xxhPrime32n2 uint64 = 0x85EBCA77
	xxhPrime32n3 uint64 = 0xC2B2AE3D
	xxhPrime64n1 uint64 = 0x9E3779B185EBCA87
	xxhPrime64n2 uint64 = 0xC2B2AE3D27D4EB4F
	xxhPrime64n3 uint64 = 0x165667B19E3779F9
	xxhPrime64n4 uint64 = 0x85EBCA77C2B2AE63
	xxhPrime64n5 uint64 = 0x27D4EB2F165667C5
	xxhAvalanche uint64 = 0x165667919E3779F9

	xxhStripe = 64
	xxhStep   = 8 // by which the secret moves from stripe to stripe
)

var xxhSecret = mustDecode(
	"b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221" +
		"b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8" +
		"a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb" +
		"170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")

func mustDecode(digits string) []byte {
	bytes, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return bytes
}

type xxhLanes [8]uint64

func (lanes *xxhLanes) accumulate(stripe, secret []byte) {
	for i := range lanes {
		data := binary.LittleEndian.Uint64(stripe[8*i:])
		key := data ^ binary.LittleEndian.Uint64(secret[8*i:])
		lanes[i^1] += data
		lanes[i] += (key & 0xFFFFFFFF) * (key >> 32)
	}
}

func (lanes *xxhLanes) scramble(secret []byte) {
	for i := range lanes {
		lanes[i] ^= lanes[i] >> 47
		lanes[i] ^= binary.LittleEndian.Uint64(secret[8*i:])
		lanes[i] *= xxhPrime32n1
	}
}

func (lanes *xxhLanes) merge(secret []byte, start uint64) uint64 {
	result := start
	for i := 0; i < 4; i++ {
		high, low := bits.Mul64(lanes[2*i]^binary.LittleEndian.Uint64(secret[16*i:]),
			lanes[2*i+1]^binary.LittleEndian.Uint64(secret[16*i+8:]))
		result += high ^ low
	}
	result ^= result >> 37
	result *= xxhAvalanche
	return result ^ result>>32
}

// xxh3 returns the canonical (big-endian) form of the 128-bit hash of an input of at least shortestXXH3Input bytes.
func xxh3(input []byte) [16]byte {
	if len(input) < shortestXXH3Input {
		panic("the input is too short for this form of XXH3")
	}
	lanes := xxhLanes{xxhPrime32n3, xxhPrime64n1, xxhPrime64n2, xxhPrime64n3, xxhPrime64n4, xxhPrime32n2, xxhPrime64n5,
		xxhPrime32n1}
	lastSecret := len(xxhSecret) - xxhStripe
	stripesPerBlock := lastSecret / xxhStep
	stripes := (len(input) - 1) / xxhStripe // the last one, whole or not, has its own place below
	for n := 0; n < stripes; n++ {
		inBlock := n % stripesPerBlock
		lanes.accumulate(input[n*xxhStripe:], xxhSecret[inBlock*xxhStep:])
		if inBlock == stripesPerBlock-1 {
			lanes.scramble(xxhSecret[lastSecret:])
		}
	}
	lanes.accumulate(input[len(input)-xxhStripe:], xxhSecret[lastSecret-7:])

	length := uint64(len(input))
	low := lanes.merge(xxhSecret[11:], length*xxhPrime64n1)
	high := lanes.merge(xxhSecret[len(xxhSecret)-xxhStripe-11:], ^(length * xxhPrime64n2))
	var digest [16]byte
	binary.BigEndian.PutUint64(digest[:8], high)
	binary.BigEndian.PutUint64(digest[8:], low)
	return digest
}
