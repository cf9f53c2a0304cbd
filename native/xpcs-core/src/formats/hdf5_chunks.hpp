// Frames of one run of chunks of an HDF5 dataset, on their way from the file to events or whole frames.
#pragma once
#include <algorithm>
#include <limits>
#include <memory>

#include "hdf5_dataset.hpp"
#include "nonzero.hpp"
#include "xpcs/frame_reader.hpp"

namespace xpcs {

/// Frames of one run of chunks.
class StoredChunks final : public StoredFrames {
 public:
  void decode(FrameBatch& batch) override {
    static thread_local h5::FilterScratch scratch;
    batch.clear();
    dataset->decode(frames, scratch);
    if (!frames.wrong.empty()) return;
    switch (dataset->word_bytes()) {
      case 1: events<std::uint8_t>(batch); break;
      case 2: events<std::uint16_t>(batch); break;
      default: events<std::uint32_t>(batch); break;
    }
  }
  /// Whole frames instead, uint16 [frames, pixels]; the marker counts as 0 and is listed. Not for words of 32 bits.
  void decode_rows(std::uint16_t* rows, FrameBatch& marked) {
    static thread_local h5::FilterScratch scratch;
    dataset->decode(frames, scratch);
    if (!frames.wrong.empty()) return;
    if (dataset->word_bytes() == 1) copy_rows<std::uint8_t>(rows, marked);
    else copy_rows<std::uint16_t>(rows, marked);
  }
  [[nodiscard]] std::uint64_t pixels() const { return dataset->rows() * dataset->columns(); }
  void check() const override {
    if (!frames.wrong.empty()) throw dataset->error(frames, first);
  }
  [[nodiscard]] std::uint64_t bytes() const override { return frames.frames * dataset->rows() * dataset->columns() * dataset->word_bytes(); }

  Hdf5Frames frames;
  std::shared_ptr<const Hdf5Dataset> dataset;
  std::uint64_t first = 0;  ///< frame of the file

 private:
  template <class Word>
  void copy_rows(std::uint16_t* rows, FrameBatch& marked) const {
    constexpr Word kMarker = std::numeric_limits<Word>::max();
    const auto* words = reinterpret_cast<const Word*>(frames.words.data());
    for (std::uint64_t i = 0; i < frames.frames; ++i, words += pixels(), rows += pixels()) {
      Word largest = 0;
      for (std::uint64_t p = 0; p < pixels(); ++p) {
        rows[p] = words[p];
        largest = std::max(largest, words[p]);
      }
      for (std::uint64_t p = 0; p < pixels() && largest == kMarker; ++p) {
        if (words[p] != kMarker) continue;
        rows[p] = 0;
        marked.markedFrame.push_back(static_cast<std::uint32_t>(first + i));
        marked.markedPixel.push_back(static_cast<std::uint32_t>(p));
      }
    }
  }

  template <class Word>
  void events(FrameBatch& batch) const {
    const auto n = static_cast<std::uint32_t>(pixels());
    const auto* words = reinterpret_cast<const Word*>(frames.words.data());
    for (std::uint64_t i = 0; i < frames.frames; ++i) append_nonzero(words + i * n, n, static_cast<std::uint32_t>(first + i), batch);
  }
};

}  // namespace xpcs
