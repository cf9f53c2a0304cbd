// Partitions: order, split bins, bad maps.
#include <doctest/doctest.h>

#include "xpcs/error.hpp"
#include "xpcs/partition.hpp"

using xpcs::make_partition;
using xpcs::SplitBins;

namespace {
std::string message_of(const std::vector<std::int32_t>& dq, const std::vector<std::int32_t>& sq, std::uint32_t h, std::uint32_t w) {
  try {
    make_partition(h, w, dq, sq, SplitBins::error);
  } catch (const xpcs::Error& error) {
    return error.what();
  }
  return "";
}
}  // namespace

TEST_CASE("pixels are ordered by dynamic, static bin and index; masked ones are left out") {
  const auto part = make_partition(2, 3, std::vector<std::int32_t>{2, 1, 0, 1, 2, -1}, std::vector<std::int32_t>{3, 1, 1, 1, 2, 2}, SplitBins::error);
  CHECK(part.pixelOfRank == std::vector<std::uint32_t>{1, 3, 4, 0});
  CHECK(part.dynamicBins == 2);
  CHECK(part.staticBins == 3);
  CHECK(part.rankOfPixel[2] == xpcs::Partition::kMasked);
  CHECK(part.pixelsOfDynamic == std::vector<std::uint32_t>{2, 2});
}

TEST_CASE("a static bin in two dynamic bins is refused by name, or goes to the majority") {
  const std::vector<std::int32_t> dq{1, 1, 2, 2};
  const std::vector<std::int32_t> sq{1, 2, 2, 2};
  CHECK(message_of(dq, sq, 2, 2).find("static bin 2 lies in several dynamic bins: 1 (1 pixels), 2 (2 pixels)") != std::string::npos);
  const auto part = make_partition(2, 2, dq, sq, SplitBins::drop_minority);
  CHECK(part.dynamicOfStatic == std::vector<std::uint32_t>{0, 1});
  CHECK(part.correlatedPixels == std::vector<std::uint32_t>{1, 2});
  CHECK(part.validPixels == std::vector<std::uint32_t>{1, 3});  // the minority pixel still counts in static means
  CHECK(part.pixelsOfDynamic == std::vector<std::uint32_t>{1, 2});
}

TEST_CASE("a tie goes to the smallest dynamic bin") {
  const auto part = make_partition(1, 4, std::vector<std::int32_t>{2, 1, 2, 1}, std::vector<std::int32_t>{1, 1, 2, 3}, SplitBins::drop_minority);
  CHECK(part.dynamicOfStatic[0] == 0);
}

TEST_CASE("the largest static bin counts even where it is one pixel of its own dynamic bin") {
  const auto part = make_partition(1, 3, std::vector<std::int32_t>{1, 2, 1}, std::vector<std::int32_t>{1, 5, 2}, SplitBins::error);
  CHECK(part.staticBins == 5);
  CHECK(part.dynamicOfStatic[2] == xpcs::Partition::kMasked);
}

TEST_CASE("bad maps are refused with the reason") {
  CHECK(message_of({0, 0}, {1, 1}, 1, 2).find("no valid pixel") != std::string::npos);
  CHECK(message_of({1, 3}, {1, 2}, 1, 2).find("dynamic bin 2 of 1..3 has no valid pixel") != std::string::npos);
  CHECK(message_of({1}, {1}, 1, 2).find("1 (dynamic)") != std::string::npos);
  CHECK(message_of({1, 2000000000}, {1, 2}, 1, 2).find("small consecutive") != std::string::npos);
}
