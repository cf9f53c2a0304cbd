// Block layout of bitshuffle: whole blocks, then one shorter block of a multiple of 8 elements, then up to 7 elements raw.
#include "bitshuffle.hpp"

#include <lz4.h>

#include <algorithm>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace xpcs::h5 {
namespace {

std::uint64_t big_endian(const std::uint8_t* bytes, std::size_t n) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < n; ++i) value = value << 8 | bytes[i];
  return value;
}

/// Transposes an 8 x 8 bit matrix: bit i of byte j goes to bit j of byte i.
std::uint64_t transpose8(std::uint64_t x) noexcept {
  std::uint64_t t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAULL;
  x = x ^ t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCULL;
  x = x ^ t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0ULL;
  return x ^ t ^ (t << 28);
}

/// Groups [from, to) of 8 elements each.
void unshuffle_groups(const std::uint8_t* in, std::uint8_t* out, std::size_t n, std::size_t bytes, std::size_t from, std::size_t to) noexcept {
  const std::size_t row = n / 8;
  for (std::size_t g = from; g < to; ++g) {
    for (std::size_t b = 0; b < bytes; ++b) {
      std::uint64_t bits = 0;
      for (std::size_t k = 0; k < 8; ++k) bits |= std::uint64_t{in[(8 * b + k) * row + g]} << (8 * k);
      bits = transpose8(bits);
      for (std::size_t e = 0; e < 8; ++e) out[(8 * g + e) * bytes + b] = static_cast<std::uint8_t>(bits >> (8 * e));
    }
  }
}

#if defined(__SSE2__)
__m128i swap_bits(__m128i x, int shift, __m128i mask) noexcept {
  const __m128i t = _mm_and_si128(_mm_xor_si128(x, _mm_srli_epi64(x, shift)), mask);
  return _mm_xor_si128(x, _mm_xor_si128(t, _mm_slli_epi64(t, shift)));
}

/// Byte b of 16 groups: eight rows of 16 bytes in, eight registers of 2 groups (16 bytes in element order) out.
void transpose_byte(const std::uint8_t* in, std::size_t row, __m128i out[8]) noexcept {
  __m128i r[8];
  for (std::size_t k = 0; k < 8; ++k) r[k] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + k * row));
  // Rows interleaved byte by byte, then by pairs, then by fours: each 8 bytes hold one group's eight rows.
  __m128i a[8];
  for (int k = 0; k < 4; ++k) {
    a[k] = _mm_unpacklo_epi8(r[2 * k], r[2 * k + 1]);
    a[k + 4] = _mm_unpackhi_epi8(r[2 * k], r[2 * k + 1]);
  }
  for (int h = 0; h < 2; ++h) {
    const __m128i* s = a + 4 * h;
    const __m128i low01 = _mm_unpacklo_epi16(s[0], s[1]);
    const __m128i high01 = _mm_unpackhi_epi16(s[0], s[1]);
    const __m128i low23 = _mm_unpacklo_epi16(s[2], s[3]);
    const __m128i high23 = _mm_unpackhi_epi16(s[2], s[3]);
    out[4 * h] = _mm_unpacklo_epi32(low01, low23);
    out[4 * h + 1] = _mm_unpackhi_epi32(low01, low23);
    out[4 * h + 2] = _mm_unpacklo_epi32(high01, high23);
    out[4 * h + 3] = _mm_unpackhi_epi32(high01, high23);
  }
  const __m128i m7 = _mm_set1_epi64x(0x00AA00AA00AA00AALL);
  const __m128i m14 = _mm_set1_epi64x(0x0000CCCC0000CCCCLL);
  const __m128i m28 = _mm_set1_epi64x(0x00000000F0F0F0F0LL);
  for (int i = 0; i < 8; ++i) out[i] = swap_bits(swap_bits(swap_bits(out[i], 7, m7), 14, m14), 28, m28);
}

void store(std::uint8_t* out, __m128i value) noexcept { _mm_storeu_si128(reinterpret_cast<__m128i*>(out), value); }

/// 16 groups = 128 elements of 1, 2 or 4 bytes.
void unshuffle_128(const std::uint8_t* in, std::uint8_t* out, std::size_t row, std::size_t bytes) noexcept {
  __m128i byte[4][8];
  for (std::size_t b = 0; b < bytes; ++b) transpose_byte(in + 8 * b * row, row, byte[b]);
  for (int i = 0; i < 8; ++i, out += 16 * bytes) {
    if (bytes == 1) {
      store(out, byte[0][i]);
    } else if (bytes == 2) {
      store(out, _mm_unpacklo_epi8(byte[0][i], byte[1][i]));
      store(out + 16, _mm_unpackhi_epi8(byte[0][i], byte[1][i]));
    } else {
      const __m128i low01 = _mm_unpacklo_epi8(byte[0][i], byte[1][i]);
      const __m128i high01 = _mm_unpackhi_epi8(byte[0][i], byte[1][i]);
      const __m128i low23 = _mm_unpacklo_epi8(byte[2][i], byte[3][i]);
      const __m128i high23 = _mm_unpackhi_epi8(byte[2][i], byte[3][i]);
      store(out, _mm_unpacklo_epi16(low01, low23));
      store(out + 16, _mm_unpackhi_epi16(low01, low23));
      store(out + 32, _mm_unpacklo_epi16(high01, high23));
      store(out + 48, _mm_unpackhi_epi16(high01, high23));
    }
  }
}
#endif

constexpr std::size_t kBlockBytesMax = std::size_t{1} << 30;

}  // namespace

const char* lz4_block_decode(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) noexcept {
  const int n = LZ4_decompress_safe(reinterpret_cast<const char*>(in.data()), reinterpret_cast<char*>(out.data()), static_cast<int>(in.size()),
                                    static_cast<int>(out.size()));
  return n >= 0 && static_cast<std::size_t>(n) == out.size() ? nullptr : "an LZ4 block is damaged";
}

void bit_unshuffle_plain(const std::uint8_t* in, std::uint8_t* out, std::size_t n, std::size_t elementBytes) noexcept {
  unshuffle_groups(in, out, n, elementBytes, 0, n / 8);
}

void bit_unshuffle(const std::uint8_t* in, std::uint8_t* out, std::size_t n, std::size_t elementBytes) noexcept {
  std::size_t g = 0;
#if defined(__SSE2__)
  if (elementBytes == 1 || elementBytes == 2 || elementBytes == 4) {
    for (; g + 16 <= n / 8; g += 16) unshuffle_128(in + g, out + 8 * g * elementBytes, n / 8, elementBytes);
  }
#endif
  unshuffle_groups(in, out, n, elementBytes, g, n / 8);
}

const char* lz4_chunk_decode(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) noexcept {
  if (in.size() < 12) return "its LZ4 header is cut off";
  if (big_endian(in.data(), 8) != out.size()) return "its LZ4 header announces another size than the chunk's";
  const std::uint64_t block = std::min<std::uint64_t>(big_endian(in.data() + 8, 4), out.size());
  if (block > kBlockBytesMax || (block == 0 && !out.empty())) return "its LZ4 header announces an absurd block size";
  std::size_t at = 12;
  for (std::size_t done = 0; done < out.size();) {
    const auto n = std::min<std::size_t>(block, out.size() - done);
    if (in.size() - at < 4) return "an LZ4 block is cut off";
    const std::uint64_t stored = big_endian(in.data() + at, 4);
    at += 4;
    if (stored > in.size() - at) return "an LZ4 block is cut off";
    if (stored == n) {  // a block that did not shrink is stored as it is
      std::memcpy(out.data() + done, in.data() + at, n);
    } else if (const char* wrong = lz4_block_decode(in.subspan(at, stored), out.subspan(done, n))) {
      return wrong;
    }
    at += stored;
    done += n;
  }
  return nullptr;
}

const char* bitshuffle_chunk_decode(std::span<const std::uint8_t> in, std::span<std::uint8_t> out, const BitshuffleOptions& options,
                                    std::span<std::uint8_t> scratch) noexcept {
  const std::size_t size = options.elementBytes;
  if (size == 0 || out.size() % size != 0) return "its elements do not fill it";
  // The authors' default: 8 KiB in whole groups of 8 elements, at least 128 elements.
  std::uint64_t block = options.blockElements > 0 ? options.blockElements : std::max<std::uint64_t>(8192 / size / 8 * 8, 128);
  std::size_t at = 0;
  if (options.lz4) {
    if (in.size() < 12) return "its bitshuffle header is cut off";
    if (big_endian(in.data(), 8) != out.size()) return "its bitshuffle header announces another size than the chunk's";
    block = big_endian(in.data() + 8, 4) / size;
    at = 12;
  }
  if (block == 0 || block % 8 != 0 || block * size > kBlockBytesMax) return "its bitshuffle header announces an absurd block size";
  const std::size_t elements = out.size() / size;
  for (std::size_t done = 0; done + 8 <= elements;) {
    const std::size_t n = std::min<std::size_t>(block, (elements - done) / 8 * 8);
    const std::size_t bytes = n * size;
    const std::uint8_t* shuffled = in.data() + at;
    std::uint64_t stored = bytes;
    if (options.lz4) {
      if (in.size() - at < 4) return "a bitshuffle block is cut off";
      stored = big_endian(in.data() + at, 4);
      at += 4;
    }
    if (stored > in.size() - at) return "a bitshuffle block is cut off";
    if (options.lz4) {
      if (scratch.size() < bytes) return "a bitshuffle block is larger than its chunk";
      if (const char* wrong = lz4_block_decode(in.subspan(at, stored), scratch.first(bytes))) return wrong;
      shuffled = scratch.data();
    }
    bit_unshuffle(shuffled, out.data() + done * size, n, size);
    at += stored;
    done += n;
  }
  const std::size_t rest = elements % 8 * size;
  if (rest > in.size() - at) return "its last elements are cut off";
  std::copy_n(in.data() + at, rest, out.data() + (out.size() - rest));
  return nullptr;
}

}  // namespace xpcs::h5
