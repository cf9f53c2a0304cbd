#include "event_packing.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "event_store.hpp"
#include "instruction_sets.hpp"
#include "vector_intrinsics.hpp"

namespace xpcs {
namespace {

constexpr std::uint32_t kEscape = IntegerBatch::kEscape;
constexpr std::uint32_t kInTile = kTilePixels - 1;
/// Events between a rank that is asked for and its use: the table of ranks is larger than the nearer caches, and each frame goes
/// through all of it.
constexpr std::size_t kAhead = 64;

std::pair<std::uint32_t, std::uint32_t> range_portable(const std::uint32_t* values, std::size_t n) {
  std::uint32_t low = values[0];
  std::uint32_t high = values[0];
  for (std::size_t i = 1; i < n; ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
  return {low, high};
}

std::size_t run_portable(const std::uint32_t* values, std::size_t n) {
  std::size_t run = 1;
  while (run < n && values[run] == values[0]) ++run;
  return run;
}

template <class Word>
constexpr bool kCrowded = sizeof(Word) == 2;

/// Events from `from` on. Count: int64 or uint16.
template <class Word, class Count>
void pack_from(const PackTask<Word>& task, const Count* counts, std::size_t from, Packed& sums) {
  for (std::size_t i = from; i < task.n; ++i) {
    __builtin_prefetch(task.rankOfPixel + task.pixel[std::min(i + kAhead, task.n + task.ahead - 1)]);
    const std::uint32_t rank = task.rankOfPixel[task.pixel[i]];
    const std::uint32_t tile = kCrowded<Word> && counts[i] == 0 ? task.none : std::min(rank >> kTileBits, task.none);
    const bool escape = static_cast<std::uint64_t>(counts[i]) >= kEscape;
    const std::uint32_t count = escape ? kEscape : static_cast<std::uint32_t>(counts[i]);
    const std::uint32_t valid = rank != kNoRank ? 1 : 0;
    task.word[i] = static_cast<Word>(task.high | (rank & kInTile) << IntegerBatch::kRankShift | count);
    task.tile[i] = static_cast<Word>(tile);
    ++(i % 2 == 0 ? task.even : task.odd)[tile];
    sums.gained += count * valid;
    sums.valid += valid;
    sums.escapes += escape ? 1 : 0;
  }
}

template <class Word, class Count>
Packed pack_portable(const PackTask<Word>& task, const Count* counts) {
  Packed sums;
  pack_from(task, counts, 0, sums);
  return sums;
}

constexpr EventPacking kPortable{"portable", range_portable, run_portable, pack_portable<std::uint32_t, std::int64_t>,
                              pack_portable<std::uint32_t, std::uint16_t>, pack_portable<std::uint16_t, std::uint16_t>};

#if defined(__x86_64__)

/// The tiles of `kEvents` events, and the ranks that are needed soon.
template <std::size_t kEvents, class Word>
__attribute__((always_inline)) inline void count_tiles(const PackTask<Word>& task, std::size_t from) {
  for (std::size_t i = from; i < from + kEvents; i += 2) {
    ++task.even[task.tile[i]];
    ++task.odd[task.tile[i + 1]];
  }
  if (from + kAhead + kEvents > task.n + task.ahead) return;
  for (std::size_t i = from + kAhead; i < from + kAhead + kEvents; ++i) __builtin_prefetch(task.rankOfPixel + task.pixel[i]);
}

__attribute__((target("avx2"))) std::pair<std::uint32_t, std::uint32_t> range_avx2(const std::uint32_t* values, std::size_t n) {
  if (n < 8) return range_portable(values, n);
  const auto at = [&](std::size_t i) __attribute__((target("avx2"))) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + i)); };
  __m256i low = at(n - 8);
  __m256i high = low;
  for (std::size_t i = 0; i + 8 <= n; i += 8) {
    low = _mm256_min_epu32(low, at(i));
    high = _mm256_max_epu32(high, at(i));
  }
  std::uint32_t lows[8];
  std::uint32_t highs[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lows), low);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(highs), high);
  return {range_portable(lows, 8).first, range_portable(highs, 8).second};
}

__attribute__((target("avx2"))) std::size_t run_avx2(const std::uint32_t* values, std::size_t n) {
  const __m256i first = _mm256_set1_epi32(static_cast<int>(values[0]));
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256i same = _mm256_cmpeq_epi32(first, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + i)));
    const auto mask = static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(same)));
    if (mask != 0xFF) return i + static_cast<std::size_t>(std::countr_one(mask));
  }
  while (i < n && values[i] == values[0]) ++i;
  return i;
}

/// Eight counts, or the escape in their place, and which of them are small.
struct Counts8 {
  __m256i count, small;
};

__attribute__((target("avx2"), always_inline)) inline Counts8 load_counts8(const std::int64_t* counts) {
  const __m256i escape = _mm256_set1_epi32(kEscape);
  const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  const __m256i odd = _mm256_add_epi32(even, _mm256_set1_epi32(1));
  const __m256i low4 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(counts));
  const __m256i high4 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(counts + 4));
  const __m256i lows = _mm256_blend_epi32(_mm256_permutevar8x32_epi32(low4, even), _mm256_permutevar8x32_epi32(high4, even), 0xF0);
  const __m256i highs = _mm256_blend_epi32(_mm256_permutevar8x32_epi32(low4, odd), _mm256_permutevar8x32_epi32(high4, odd), 0xF0);
  // Below the escape: the low half is its own minimum with escape - 1, and the high half is 0.
  const __m256i small = _mm256_and_si256(_mm256_cmpeq_epi32(_mm256_min_epu32(lows, _mm256_set1_epi32(kEscape - 1)), lows), _mm256_cmpeq_epi32(highs, _mm256_setzero_si256()));
  return {_mm256_blendv_epi8(escape, lows, small), small};
}

__attribute__((target("avx2"), always_inline)) inline Counts8 load_counts8(const std::uint16_t* counts) {
  const __m256i all = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(counts)));
  const __m256i escape = _mm256_set1_epi32(kEscape);
  return {_mm256_min_epu32(all, escape), _mm256_cmpgt_epi32(escape, all)};
}

/// Eight words of 32 bits, or their low halves.
__attribute__((target("avx2"), always_inline)) inline void store8(std::uint32_t* to, __m256i words) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), words); }
__attribute__((target("avx2"), always_inline)) inline void store8(std::uint16_t* to, __m256i words) {
  const __m256i halves = _mm256_permute4x64_epi64(_mm256_packus_epi32(words, words), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(halves));
}

template <class Word, class Count>
__attribute__((target("avx2,popcnt"))) Packed pack_avx2(const PackTask<Word>& task, const Count* counts) {
  Packed sums;
  const __m256i high = _mm256_set1_epi32(static_cast<int>(task.high));
  __m256i gained = _mm256_setzero_si256();
  std::size_t i = 0;
  for (; i + 8 <= task.n; i += 8) {
    const __m256i pixel = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(task.pixel + i));
    const __m256i rank = _mm256_i32gather_epi32(reinterpret_cast<const int*>(task.rankOfPixel), pixel, 4);
    const auto [count, small] = load_counts8(counts + i);
    const __m256i none = _mm256_set1_epi32(static_cast<int>(task.none));
    __m256i tile = _mm256_min_epu32(_mm256_srli_epi32(rank, kTileBits), none);
    if constexpr (kCrowded<Word>) tile = _mm256_blendv_epi8(tile, none, _mm256_cmpeq_epi32(count, _mm256_setzero_si256()));
    const __m256i place = _mm256_slli_epi32(_mm256_and_si256(rank, _mm256_set1_epi32(kInTile)), IntegerBatch::kRankShift);
    store8(task.word + i, _mm256_or_si256(_mm256_or_si256(high, place), count));
    store8(task.tile + i, tile);
    const __m256i masked = _mm256_cmpeq_epi32(rank, _mm256_set1_epi32(-1));
    gained = _mm256_add_epi32(gained, _mm256_andnot_si256(masked, count));
    sums.valid += 8U - static_cast<std::uint32_t>(std::popcount(static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(masked)))));
    sums.escapes += 8U - static_cast<std::uint32_t>(std::popcount(static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(small)))));
    count_tiles<8>(task, i);
  }
  std::uint32_t lanes[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), gained);
  for (const std::uint32_t lane : lanes) sums.gained += lane;
  pack_from(task, counts, i, sums);
  return sums;
}

__attribute__((target("avx512f"))) std::pair<std::uint32_t, std::uint32_t> range_avx512(const std::uint32_t* values, std::size_t n) {
  if (n < 16) return range_portable(values, n);
  __m512i low = _mm512_loadu_si512(values + n - 16);
  __m512i high = low;
  for (std::size_t i = 0; i + 16 <= n; i += 16) {
    low = _mm512_min_epu32(low, _mm512_loadu_si512(values + i));
    high = _mm512_max_epu32(high, _mm512_loadu_si512(values + i));
  }
  return {_mm512_reduce_min_epu32(low), _mm512_reduce_max_epu32(high)};
}

__attribute__((target("avx512f"))) std::size_t run_avx512(const std::uint32_t* values, std::size_t n) {
  const __m512i first = _mm512_set1_epi32(static_cast<int>(values[0]));
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const auto mask = static_cast<std::uint32_t>(_mm512_cmpeq_epi32_mask(first, _mm512_loadu_si512(values + i)));
    if (mask != 0xFFFF) return i + static_cast<std::size_t>(std::countr_one(mask));
  }
  while (i < n && values[i] == values[0]) ++i;
  return i;
}

/// Sixteen counts, or the escape in their place, and which of them are large.
struct Counts16 {
  __m512i count;
  __mmask16 large;
};

__attribute__((target("avx512f"), always_inline)) inline Counts16 load_counts16(const std::int64_t* counts) {
  const __m512i escape = _mm512_set1_epi64(kEscape);
  const __m512i low8 = _mm512_loadu_si512(counts);
  const __m512i high8 = _mm512_loadu_si512(counts + 8);
  const unsigned large = _mm512_cmpge_epu64_mask(low8, escape) | static_cast<unsigned>(_mm512_cmpge_epu64_mask(high8, escape)) << 8;
  const __m256i low = _mm512_cvtepi64_epi32(_mm512_min_epu64(low8, escape));
  return {_mm512_inserti64x4(_mm512_castsi256_si512(low), _mm512_cvtepi64_epi32(_mm512_min_epu64(high8, escape)), 1), static_cast<__mmask16>(large)};
}

__attribute__((target("avx512f"), always_inline)) inline Counts16 load_counts16(const std::uint16_t* counts) {
  const __m512i all = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(counts)));
  const __m512i escape = _mm512_set1_epi32(kEscape);
  return {_mm512_min_epu32(all, escape), _mm512_cmpge_epu32_mask(all, escape)};
}

/// Sixteen words of 32 bits, or their low halves.
__attribute__((target("avx512f"), always_inline)) inline void store16(std::uint32_t* to, __m512i words) { _mm512_storeu_si512(to, words); }
__attribute__((target("avx512f"), always_inline)) inline void store16(std::uint16_t* to, __m512i words) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(words));
}

template <class Word, class Count>
__attribute__((target("avx512f,popcnt"))) Packed pack_avx512(const PackTask<Word>& task, const Count* counts) {
  Packed sums;
  const __m512i high = _mm512_set1_epi32(static_cast<int>(task.high));
  const __m512i none = _mm512_set1_epi32(static_cast<int>(task.none));
  __m512i gained = _mm512_setzero_si512();
  std::size_t i = 0;
  for (; i + 16 <= task.n; i += 16) {
    const __m512i rank = _mm512_i32gather_epi32(_mm512_loadu_si512(task.pixel + i), task.rankOfPixel, 4);
    const auto [count, large] = load_counts16(counts + i);
    const __m512i place = _mm512_slli_epi32(_mm512_and_si512(rank, _mm512_set1_epi32(kInTile)), IntegerBatch::kRankShift);
    store16(task.word + i, _mm512_or_si512(_mm512_or_si512(high, place), count));
    __m512i tile = _mm512_min_epu32(_mm512_srli_epi32(rank, kTileBits), none);
    if constexpr (kCrowded<Word>) tile = _mm512_mask_mov_epi32(tile, _mm512_cmpeq_epi32_mask(count, _mm512_setzero_si512()), none);
    store16(task.tile + i, tile);
    const __mmask16 valid = _mm512_cmpneq_epi32_mask(rank, _mm512_set1_epi32(-1));
    gained = _mm512_mask_add_epi32(gained, valid, gained, count);
    sums.valid += static_cast<std::uint32_t>(std::popcount(static_cast<std::uint32_t>(valid)));
    sums.escapes += static_cast<std::uint32_t>(std::popcount(static_cast<std::uint32_t>(large)));
    count_tiles<16>(task, i);
  }
  std::uint32_t lanes[16];
  _mm512_storeu_si512(lanes, gained);
  for (const std::uint32_t lane : lanes) sums.gained += lane;
  pack_from(task, counts, i, sums);
  return sums;
}

constexpr EventPacking kAvx2{"avx2", range_avx2, run_avx2, pack_avx2<std::uint32_t, std::int64_t>,
                              pack_avx2<std::uint32_t, std::uint16_t>, pack_avx2<std::uint16_t, std::uint16_t>};
constexpr EventPacking kAvx512{"avx512", range_avx512, run_avx512, pack_avx512<std::uint32_t, std::int64_t>,
                              pack_avx512<std::uint32_t, std::uint16_t>, pack_avx512<std::uint16_t, std::uint16_t>};

#endif

}  // namespace

const EventPacking* event_packing_named(const char* name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool popcnt = __builtin_cpu_supports("popcnt");
  if (std::strcmp(name, "avx512") == 0 && __builtin_cpu_supports("avx512f") && popcnt) return &kAvx512;
  if (std::strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2") && popcnt) return &kAvx2;
#endif
  return std::strcmp(name, "portable") == 0 ? &kPortable : nullptr;
}

const EventPacking& event_packing() {
  static const EventPacking& chosen = *fastest(event_packing_named);
  return chosen;
}

}  // namespace xpcs
