// One dataset of frames in HDF5: its shape, and its stored chunks or its plain words on request. Reading happens on the
// caller's thread; decoding (`decode`) calls nothing of HDF5 and may run anywhere.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../h5/filters.hpp"
#include "../h5/h5.hpp"

namespace xpcs {

/// Frames on their way from the file to words. Buffers are kept between uses.
struct Hdf5Frames {
  std::uint64_t sourceFirst = 0;  ///< frames [sourceFirst, sourceFirst + frames) of the dataset
  std::uint64_t frames = 0;
  struct Chunk {
    hsize_t offset[3];
    std::size_t begin, bytes;  ///< in `stored`
    std::uint32_t skippedFilters;
    bool missing;
  };
  std::vector<Chunk> chunks;  ///< none: `words` is there already
  std::vector<std::uint8_t> stored;  ///< the first storedBytes
  std::size_t storedBytes = 0;
  std::vector<std::uint8_t> words;  ///< [frames, rows, columns] in the machine's byte order
  std::vector<std::uint8_t> tile;
  std::string wrong;  ///< why decoding failed; empty when it did not
  std::size_t wrongChunk = 0;
};

class Hdf5Dataset {
 public:
  /// @throws corrupt_data, unsupported (type, shape or filter)
  Hdf5Dataset(const std::string& file, const std::string& dataset) : Hdf5Dataset(h5::File::open(file), dataset) {}
  Hdf5Dataset(h5::File file, const std::string& dataset);

  [[nodiscard]] std::uint64_t frames() const noexcept { return frames_; }
  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::uint64_t columns() const noexcept { return columns_; }
  [[nodiscard]] std::size_t word_bytes() const noexcept { return wordBytes_; }
  /// Name for messages: the dataset and the file that holds it.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Reads its extents anew, in SWMR mode. @throws corrupt_data
  void refresh();
  /// Whether its frames lie in the file that was opened, not in others.
  [[nodiscard]] bool in_own_file() const;
  /// Whether what is in the file says which frames are written: chunks whose room is made when they are written.
  [[nodiscard]] bool tells_frames() const;
  /// Whether all chunks of a frame are in the file; frames that are not chunked are.
  [[nodiscard]] bool written(std::uint64_t frame) const;
  [[nodiscard]] std::uint64_t frames_of_chunk() const noexcept { return chunk_[0]; }
  /// Behind the last frame of the chunks there, at most that of the dataset.
  [[nodiscard]] std::uint64_t row_end(std::uint64_t frame) const noexcept { return chunked_ ? std::min<std::uint64_t>((frame / chunk_[0] + 1) * chunk_[0], frames_) : frames_; }

  /// How many frames from `frame` on are read at once: to the end of the chunks there, so that none is decoded twice.
  [[nodiscard]] std::uint64_t run_from(std::uint64_t frame) const noexcept;
  /// Reads stored chunks, or words at once where chunks are too large to wait decoded, or HDF5 must decode. @throws corrupt_data with the byte
  void load(std::uint64_t frame, std::uint64_t n, Hdf5Frames& into) const;
  /// From stored chunks to words. Sets `wrong` when a chunk is damaged. Any thread.
  void decode(Hdf5Frames& frames, h5::FilterScratch& scratch) const;
  /// The error for frames whose decoding failed. @param firstFrame of the series, 0-based
  [[nodiscard]] Error error(const Hdf5Frames& frames, std::uint64_t firstFrame) const;

  /// Stored chunks that the file lacks, among those loaded so far: their frames hold the fill value.
  [[nodiscard]] std::uint64_t missing_chunks() const noexcept { return missingChunks_; }

 private:
  void check_type(const h5::Handle& type);
  void choose_path();
  void read_extents();
  void load_chunk(const hsize_t (&offset)[3], Hdf5Frames& into) const;
  /// The values of a chunk without filters, as many as it has; false: they cannot be read.
  bool read_plain(const hsize_t (&offset)[3], std::uint8_t* into) const;
  void load_slab(std::uint64_t frame, std::uint64_t n, Hdf5Frames& into) const;
  void load_words(std::uint64_t frame, std::uint64_t n, Hdf5Frames& into) const;
  [[nodiscard]] std::string decode_chunk(const Hdf5Frames& frames, const Hdf5Frames::Chunk& chunk, std::vector<std::uint8_t>& into, h5::FilterScratch& scratch) const;
  void place(const Hdf5Frames::Chunk& chunk, const std::vector<std::uint8_t>& tile, std::uint64_t first, std::uint64_t n, std::vector<std::uint8_t>& words) const;
  [[nodiscard]] std::string byte_of(const Hdf5Frames::Chunk& chunk) const;
  [[nodiscard]] std::uint64_t tile_bytes() const noexcept { return chunk_[0] * chunk_[1] * chunk_[2] * wordBytes_; }
  [[nodiscard]] std::uint64_t frame_bytes() const noexcept { return rows_ * columns_ * wordBytes_; }

  h5::File file_;
  std::string name_;
  h5::Handle data_;
  std::uint64_t frames_ = 0, rows_ = 0, columns_ = 0;
  std::size_t wordBytes_ = 0;
  std::optional<h5::FilterPipeline> raw_;  ///< nothing: HDF5 decodes
  bool slabs_ = false;                      ///< we decode, but a row of chunks is too large to be taken whole
  bool chunked_ = false;
  hsize_t chunk_[3] = {1, 1, 1};
  bool swapped_ = false;     ///< words are big-endian: turned round once decoded
  bool plainEdges_ = false;  ///< chunks over the edge are stored without filters
  std::vector<std::uint8_t> fill_;
  mutable std::uint64_t missingChunks_ = 0;
  /// Decoded chunks of one row of chunks, by row and column, as far as they fit.
  mutable std::map<std::pair<hsize_t, hsize_t>, std::vector<std::uint8_t>> tiles_;
  mutable hsize_t tilesFirst_ = HSIZE_UNDEF;
  mutable h5::FilterScratch scratch_;  ///< of slabs
};

}  // namespace xpcs
