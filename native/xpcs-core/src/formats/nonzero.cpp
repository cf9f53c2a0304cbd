#include "nonzero.hpp"

#include <bit>
#include <cstring>

#include "../instruction_sets.hpp"
#include "../vector_intrinsics.hpp"

namespace xpcs {
namespace {

template <class Word>
std::size_t list_portable(const Word* words, std::uint32_t n, std::uint32_t first, std::uint32_t* out) {
  constexpr std::uint32_t kBlock = 32;
  std::size_t found = 0;
  for (std::uint32_t from = 0; from < n; from += kBlock) {
    const std::uint32_t to = std::min(n, from + kBlock);
    Word any = 0;
    for (std::uint32_t i = from; i < to; ++i) any = static_cast<Word>(any | words[i]);
    if (any == 0) continue;
    for (std::uint32_t i = from; i < to; ++i) {  // always written, kept where it counts: no branch to mispredict
      out[found] = first + i;
      found += words[i] != 0 ? 1 : 0;
    }
  }
  return found;
}

constexpr NonzeroLists kPortable{"portable", list_portable<std::uint8_t>, list_portable<std::uint16_t>, list_portable<std::uint32_t>};

#if defined(__x86_64__)

/// One bit for every word of 64 that is not 0.
template <class Word>
__attribute__((target("avx2"))) inline std::uint64_t mask_avx2(const Word* words) {
  const __m256i none = _mm256_setzero_si256();
  const auto load = [&](std::size_t i) __attribute__((target("avx2"))) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words) + i); };
  std::uint64_t zero = 0;
  if constexpr (sizeof(Word) == 1) {
    for (std::size_t i = 0; i < 2; ++i) zero |= std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(load(i), none)))} << (32 * i);
  } else if constexpr (sizeof(Word) == 2) {
    for (std::size_t i = 0; i < 2; ++i) {
      const __m256i both = _mm256_packs_epi16(_mm256_cmpeq_epi16(load(2 * i), none), _mm256_cmpeq_epi16(load(2 * i + 1), none));
      zero |= std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_permute4x64_epi64(both, 0xD8)))} << (32 * i);
    }
  } else {
    for (std::size_t i = 0; i < 8; ++i) {
      zero |= std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(load(i), none))))} << (8 * i);
    }
  }
  return ~zero;
}

template <class Word>
__attribute__((target("avx2,bmi"))) std::size_t list_avx2(const Word* words, std::uint32_t n, std::uint32_t first, std::uint32_t* out) {
  std::size_t found = 0;
  std::uint32_t from = 0;
  for (; from + 64 <= n; from += 64) {
    std::uint64_t mask = mask_avx2(words + from);
    while (mask != 0) {
      out[found++] = first + from + static_cast<std::uint32_t>(std::countr_zero(mask));
      mask &= mask - 1;
    }
  }
  return found + list_portable(words + from, n - from, first + from, out + found);
}

/// The indices of 16 words that are not 0, packed.
__attribute__((target("avx512f,avx512bw,popcnt"))) inline std::size_t put_avx512(std::uint32_t mask, __m512i index, std::uint32_t* out) {
  _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask), index));
  return static_cast<std::size_t>(std::popcount(mask & 0xFFFF));
}

template <class Word>
__attribute__((target("avx512f,avx512bw,popcnt"))) std::size_t list_avx512(const Word* words, std::uint32_t n, std::uint32_t first, std::uint32_t* out) {
  constexpr std::uint32_t kWords = 64 / sizeof(Word);
  const __m512i steps = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  std::size_t found = 0;
  std::uint32_t from = 0;
  for (; from + kWords <= n; from += kWords) {
    const __m512i values = _mm512_loadu_si512(words + from);
    std::uint64_t mask = 0;
    if constexpr (sizeof(Word) == 1) mask = _mm512_test_epi8_mask(values, values);
    else if constexpr (sizeof(Word) == 2) mask = _mm512_test_epi16_mask(values, values);
    else mask = _mm512_test_epi32_mask(values, values);
    if (mask == 0) continue;
    for (std::uint32_t part = 0; part < kWords; part += 16) {
      const auto bits = static_cast<std::uint32_t>(mask >> part);
      found += put_avx512(bits & 0xFFFF, _mm512_add_epi32(steps, _mm512_set1_epi32(static_cast<int>(first + from + part))), out + found);
    }
  }
  return found + list_portable(words + from, n - from, first + from, out + found);
}

constexpr NonzeroLists kAvx2{"avx2", list_avx2<std::uint8_t>, list_avx2<std::uint16_t>, list_avx2<std::uint32_t>};
constexpr NonzeroLists kAvx512{"avx512", list_avx512<std::uint8_t>, list_avx512<std::uint16_t>, list_avx512<std::uint32_t>};

#endif

}  // namespace

const NonzeroLists* nonzero_lists_named(const char* name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (std::strcmp(name, "avx512") == 0 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("popcnt")) return &kAvx512;
  if (std::strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")) return &kAvx2;
#endif
  return std::strcmp(name, "portable") == 0 ? &kPortable : nullptr;
}

const NonzeroLists& nonzero_lists() {
  static const NonzeroLists& chosen = *fastest(nonzero_lists_named);
  return chosen;
}

}  // namespace xpcs
