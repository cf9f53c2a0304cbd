// Sums of products of a series with itself at a run of lags, for small integers in contiguous memory. One definition,
// several instruction sets: the CPU decides at run time, the integers are the same.
#pragma once
#include <cstddef>
#include <cstdint>

namespace xpcs {

/// Zero elements that must follow the n elements of a series, for `lagMax` the largest lag asked for.
constexpr std::size_t lag_padding(std::size_t lagMax) { return lagMax + 128; }

struct LagSums {
  const char* name;
  /// out[j] += sum_i a[i] * a[i + first + j], j < lags; elements 0..127.
  void (*bytes)(const std::uint8_t* a, std::size_t n, std::size_t first, std::size_t lags, std::int64_t* out);
  /// The same for elements of -32767..32767 whose largest magnitude m satisfies m * m * n < 2^34.
  void (*words)(const std::int16_t* a, std::size_t n, std::size_t first, std::size_t lags, std::int64_t* out);
  /// out[i] = a[2i] + a[2i+1], i < n, and up to 63 elements of zeros behind; returns the largest magnitude. The caller has made
  /// sure that the sums fit. out may be a. a is followed by 128 zeros.
  std::int32_t (*halve_bytes)(const std::uint8_t* a, std::uint8_t* out, std::size_t n);
  std::int32_t (*halve_to_words)(const std::uint8_t* a, std::int16_t* out, std::size_t n);
  std::int32_t (*halve_words)(const std::int16_t* a, std::int16_t* out, std::size_t n);
};

/// The fastest set for this CPU.
const LagSums& lag_sums();

/// A set by name (portable, avx2, avx512, neon), for tests; null when this CPU or build does not have it.
const LagSums* lag_sums_named(const char* name);

}  // namespace xpcs
