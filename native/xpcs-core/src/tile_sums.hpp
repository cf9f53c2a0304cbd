// What the pixels of a tile add to the sums of their bins, from curves that lie side by side: one row per delay, one column per
// pixel. Sums of integers are exact. Sums of real numbers run in eight lanes, pixel i of a run in lane i % 8, and the lanes are
// added in a fixed order, so that every instruction set gives the same bits.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

namespace xpcs {

constexpr std::size_t kSumLanes = 8;
/// Photons of a pixel up to which the products of two numbers of its curves (at most its photons squared) add up in 32 bits over a tile.
constexpr std::uint32_t kSmallTotal = 90;
/// Most slots of sums over groups: then and where a row is small each slot's counts and products (at most a quarter of a pixel's photons
/// squared) fit 16 bits, if slots are kept apart up to 32.
constexpr std::size_t kSlotsMax = 128;
/// The lanes of a sum of real numbers, in the one order.
template <class Lanes>
double add_lanes(const Lanes& v) {
  return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

/// One row of a tile: sums of products, counts of the past, and of the future as a difference of two totals.
struct CurveRow {
  const std::int64_t* products;
  const std::uint32_t* past;
  const std::uint32_t* futureFrom;
  const std::uint32_t* futureEnd;
  double terms;
  bool small = false;  ///< no pixel has more than kSmallTotal photons, and there are at most 512 pixels
};

/// Sums over groups of the pixels of one row, added to: pixel i of the row in slot i mod `slots`, past slots behind products, future ones
/// behind past. `whole` without a flatfield, `real` with one; [3, slots] each.
struct GroupSums {
  std::size_t slots = kSumLanes;  ///< a power of 2, kSumLanes to kSlotsMax
  std::int64_t* whole = nullptr;
  double* real = nullptr;
};

/// Sums over the pixels of one row.
struct RowSums {
  std::int64_t products = 0, past = 0, future = 0;           ///< without the flatfield
  double realProducts = 0, realPast = 0, realFuture = 0;     ///< with it; only where there is one
  double gg = 0, gp = 0, gf = 0, pp = 0, pf = 0, ff = 0;
  double pairs = 0;           ///< of the products, without the flatfield
  double ratio = 0, ratio2 = 0;  ///< of x = terms G / (P F) and x^2, pixels without a value as 0
};

/// @param row at the first pixel, counts not negative; n pixels; factor [n] flatfield or null; alive [n] 0 for a dead pixel (factor 0), which
/// has no value, else 1
RowSums sum_row(const CurveRow& row, std::size_t n, const double* factor, const double* alive, const GroupSums& groups);
/// The same on an instruction set by name (portable, avx2, avx512), for tests; nothing where this CPU or build does not have it.
std::optional<RowSums> sum_row_by(const char* name, const CurveRow& row, std::size_t n, const double* factor, const double* alive,
                                   const GroupSums& groups);

}  // namespace xpcs
