// LZ4 and bitshuffle chunks against the plain encoders of sample_files.
#include <doctest/doctest.h>

#include <random>

#include "formats/packed_frame.hpp"
#include "h5/bitshuffle.hpp"
#include "sample_files.hpp"

using namespace xpcs;

namespace {

std::vector<std::uint8_t> random_bytes(std::size_t n) {
  std::mt19937 random(9);
  std::vector<std::uint8_t> bytes(n);
  for (auto& byte : bytes) byte = random() % 4 == 0 ? static_cast<std::uint8_t>(random()) : std::uint8_t{0};
  return bytes;
}

}  // namespace

TEST_CASE("the vector transposition gives what the plain one gives") {
  for (const std::size_t size : {1U, 2U, 3U, 4U, 8U}) {
    for (std::size_t n = 8; n < 700; n += 8) {
      const auto in = random_bytes(n * size);
      std::vector<std::uint8_t> fast(in.size());
      std::vector<std::uint8_t> plain(in.size());
      h5::bit_unshuffle(in.data(), fast.data(), n, size);
      h5::bit_unshuffle_plain(in.data(), plain.data(), n, size);
      CHECK(fast == plain);
    }
  }
}

TEST_CASE("bitshuffle and LZ4 chunks come back, with any number of last elements") {
  for (const std::size_t size : {1U, 2U, 4U}) {
    for (std::size_t n = 1; n < 2000; n += 61) {
      const auto plain = random_bytes(n * size);
      std::vector<std::uint8_t> out(plain.size());
      std::vector<std::uint8_t> scratch(plain.size());
      for (const std::size_t block : {8U, 128U, 1024U}) {
        const auto packed = samples::bitshuffle_chunk(plain.data(), plain.size(), size, block, true);
        CHECK(h5::bitshuffle_chunk_decode(packed, out, {size, 0, true}, scratch) == nullptr);
        CHECK(out == plain);
        const auto raw = samples::bitshuffle_chunk(plain.data(), plain.size(), size, block, false);
        CHECK(h5::bitshuffle_chunk_decode(raw, out, {size, block, false}, {}) == nullptr);
        CHECK(out == plain);
      }
      CHECK(h5::lz4_chunk_decode(samples::lz4_chunk(plain.data(), plain.size(), 100), out) == nullptr);
      CHECK(out == plain);
    }
  }
}

TEST_CASE("chunks that are cut off anywhere are refused") {
  const auto plain = random_bytes(1011 * 2);
  std::vector<std::uint8_t> out(plain.size());
  std::vector<std::uint8_t> scratch(plain.size());
  const auto shuffled = samples::bitshuffle_chunk(plain.data(), plain.size(), 2, 128, true);
  for (std::size_t n = 0; n < shuffled.size(); ++n) {
    const std::vector<std::uint8_t> cut(shuffled.begin(), shuffled.begin() + static_cast<std::ptrdiff_t>(n));  // its own memory: reads beyond show
    CHECK(h5::bitshuffle_chunk_decode(cut, out, {2, 0, true}, scratch) != nullptr);
  }
  const auto packed = samples::lz4_chunk(plain.data(), plain.size(), 300);
  for (std::size_t n = 0; n < packed.size(); ++n) {
    const std::vector<std::uint8_t> cut(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(n));
    CHECK(h5::lz4_chunk_decode(cut, out) != nullptr);
  }
}

TEST_CASE("a packed frame gives its events, and none where it is cut off") {
  constexpr std::uint32_t kPixels = 1011;
  auto plain = random_bytes(std::size_t{kPixels} * 2);
  plain[20] = plain[21] = 0xFF;  // no reading
  const auto chunk = samples::lz4_chunk(plain.data(), plain.size(), plain.size());
  const std::vector<std::uint8_t> block(chunk.begin() + 16, chunk.end());
  const struct {
    Packing packing;
    std::vector<std::uint8_t> bytes;
  } kinds[] = {{Packing::none, plain}, {Packing::lz4_block, block}, {Packing::lz4, chunk}, {Packing::bslz4, samples::bitshuffle_chunk(plain.data(), plain.size(), 2, 128, true)}};
  std::vector<std::uint8_t> words;
  h5::FilterScratch scratch;
  FrameBatch first;
  for (const auto& [packing, bytes] : kinds) {
    FrameBatch batch;
    CHECK(append_frame({bytes, packing, 2, 2}, kPixels, 7, words, scratch, batch).empty());
    CHECK(words == plain);
    CHECK(batch.markedPixel == std::vector<std::uint32_t>{10});
    if (first.frame.empty()) first = batch;
    CHECK((batch.frame == first.frame && batch.pixel == first.pixel && batch.count == first.count));
    for (std::size_t n = 0; n < bytes.size(); n += 3) {
      const std::vector<std::uint8_t> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
      FrameBatch none;
      CHECK_FALSE(append_frame({cut, packing, 2, 2}, kPixels, 7, words, scratch, none).empty());
      CHECK(none.frame.empty());
    }
    // Refused before any memory is asked for.
    for (const std::uint32_t wordBytes : {0U, 3U, 0xFFFFFFFFU}) {
      CHECK(append_frame({bytes, packing, wordBytes, 2}, kPixels, 7, words, scratch, batch).find("its words have") != std::string::npos);
    }
  }
}
