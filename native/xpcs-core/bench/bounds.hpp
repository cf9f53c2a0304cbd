#pragma once
// What this machine can do at best, measured on the spot: integer multiply-adds, and bytes of a file that is in memory.
#include <cstdint>
#include <string>

namespace xpcs::bench {

struct MultiplyAddPeak {
  /// The instruction set that was used, the widest that this processor has.
  std::string path;
  /// 8-bit multiply-adds per second on one thread.
  double perSecond;
};
MultiplyAddPeak measure_multiply_add();

struct StreamRate {
  std::uint64_t bytes;
  /// Shortest of several passes: read(2) of the whole file into a buffer that stays in cache.
  double seconds;
};
StreamRate measure_stream(const std::string& path, unsigned threads);

}  // namespace xpcs::bench
