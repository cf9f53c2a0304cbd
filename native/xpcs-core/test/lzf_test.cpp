// The LZF decoder, on good and damaged blocks.
#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "h5/lzf.hpp"

using Bytes = std::vector<std::uint8_t>;

TEST_CASE("literals and overlapping matches decode") {
  // 3 literals "abc", then a match of length 9 at distance 3, then one literal.
  const Bytes in{2, 'a', 'b', 'c', 0xE0, 0, 2, 0, 'z'};
  Bytes out(64);
  const std::size_t n = xpcs::h5::lzf_decode(in, out);
  CHECK(std::string(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n)) == "abcabcabcabcz");
}

TEST_CASE("damaged blocks give 0, whatever the damage") {
  Bytes out(16);
  CHECK(xpcs::h5::lzf_decode(Bytes{5, 'a'}, out) == 0);           // literals beyond the input
  CHECK(xpcs::h5::lzf_decode(Bytes{0, 'a', 0x20, 9}, out) == 0);  // match before the start
  CHECK(xpcs::h5::lzf_decode(Bytes{0, 'a', 0xE0}, out) == 0);     // length byte missing
  Bytes tiny(1);
  CHECK(xpcs::h5::lzf_decode(Bytes{1, 'a', 'b'}, tiny) == 0);  // does not fit
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    Bytes in(random() % 40);
    for (auto& byte : in) byte = static_cast<std::uint8_t>(random());
    CHECK(xpcs::h5::lzf_decode(in, out) <= out.size());
  }
}
