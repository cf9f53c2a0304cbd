// Frames of plain words to events: zeros are dropped, and so is the largest value of the type, by which detectors mark
// pixels that gave no reading. Finding the words that are not zero has several instruction sets, chosen at run time.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>

#include "xpcs/frame_reader.hpp"

namespace xpcs {

/// Words that a list function may write beyond those that it lists.
constexpr std::size_t kNonzeroSlack = 64;

/// Lists first + i for every word i < n that is not 0, in order; returns how many. `out` has room for n + kNonzeroSlack.
struct NonzeroLists {
  const char* name;
  std::size_t (*bytes)(const std::uint8_t* words, std::uint32_t n, std::uint32_t first, std::uint32_t* out);
  std::size_t (*shorts)(const std::uint16_t* words, std::uint32_t n, std::uint32_t first, std::uint32_t* out);
  std::size_t (*longs)(const std::uint32_t* words, std::uint32_t n, std::uint32_t first, std::uint32_t* out);

  std::size_t list(const std::uint8_t* words, std::uint32_t n, std::uint32_t first, std::uint32_t* out) const { return bytes(words, n, first, out); }
  std::size_t list(const std::uint16_t* words, std::uint32_t n, std::uint32_t first, std::uint32_t* out) const { return shorts(words, n, first, out); }
  std::size_t list(const std::uint32_t* words, std::uint32_t n, std::uint32_t first, std::uint32_t* out) const { return longs(words, n, first, out); }
};

/// The fastest for this CPU.
const NonzeroLists& nonzero_lists();
/// By name (portable, avx2, avx512), for tests; null when this CPU or build does not have it.
const NonzeroLists* nonzero_lists_named(const char* name);

/// Appends the events of one frame of `pixels` words.
template <class Word>
void append_nonzero(const Word* words, std::uint32_t pixels, std::uint32_t frame, FrameBatch& out) {
  constexpr Word kMarker = std::numeric_limits<Word>::max();
  constexpr std::uint32_t kStrip = 4096;
  std::size_t at = out.frame.size();
  for (std::uint32_t p = 0; p < pixels; p += kStrip) {
    const std::uint32_t n = std::min(kStrip, pixels - p);
    if (out.pixel.size() < at + n + kNonzeroSlack) out.pixel.resize(std::max(2 * out.pixel.size(), at + n + kNonzeroSlack));
    const std::size_t found = nonzero_lists().list(words + p, n, p, out.pixel.data() + at);
    if (out.count.size() < at + found) out.count.resize(std::max(2 * out.count.size(), at + found));
    const std::uint32_t* pixel = out.pixel.data() + at;
    std::int64_t* count = out.count.data() + at;
    std::int64_t largest = 0;
    for (std::size_t i = 0; i < found; ++i) {
      count[i] = words[pixel[i]];
      largest = std::max(largest, count[i]);
    }
    if (largest != kMarker) {
      at += found;
      continue;
    }
    const std::size_t end = at + found;
    for (std::size_t i = at; i < end; ++i) {
      if (out.count[i] == kMarker) {
        out.markedFrame.push_back(frame);
        out.markedPixel.push_back(out.pixel[i]);
        continue;
      }
      out.pixel[at] = out.pixel[i];
      out.count[at++] = out.count[i];
    }
  }
  out.frame.resize(at, frame);
  out.pixel.resize(at);
  out.count.resize(at);
}

}  // namespace xpcs
