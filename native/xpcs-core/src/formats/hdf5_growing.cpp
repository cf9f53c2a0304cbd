// An HDF5 file that is being written: frames of one chunked dataset, each once its chunks are in the file. In SWMR mode the file stays open and is
// refreshed; otherwise it is opened anew where it changed. No lock is taken: a lock of ours could stop its writer.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "hdf5_chunks.hpp"
#include "xpcs/frame_reader.hpp"

namespace xpcs {
namespace {

constexpr const char* kElsewhere = " has its frames in other files: stream the folder of these files";

/// Rows of chunks that are looked through for one that is written: an extent may be damage.
constexpr std::uint64_t kRowsAhead = 1'000'000;

/// Who has the file open, by the flags in its superblock (HDF5 File Format Specification, "File Consistency Flags"; byte 11 of versions 2 and 3).
enum class Writer { none, swmr, other, no_file };

Writer writer_of(const std::string& path) {
  constexpr std::array<unsigned char, 8> kSignature{0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
  constexpr unsigned kWrite = 1, kSwmr = 4;
  std::array<unsigned char, 12> head{};
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe would be waited for
  if (fd < 0) return Writer::no_file;
  struct stat facts {};
  const ssize_t got = ::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) ? ::pread(fd, head.data(), head.size(), 0) : -1;
  ::close(fd);
  if (got < static_cast<ssize_t>(head.size()) || std::memcmp(head.data(), kSignature.data(), kSignature.size()) != 0) return Writer::no_file;
  const unsigned version = head[8];
  if (version < 3 || (head[11] & kWrite) == 0) return Writer::none;
  return (head[11] & kSwmr) != 0 ? Writer::swmr : Writer::other;
}

/// Whether a file changed, as far as its facts tell.
std::string identity_of(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return "";
  return std::to_string(facts.st_size) + " " + std::to_string(facts.st_mtim.tv_sec) + " " + std::to_string(facts.st_mtim.tv_nsec);
}

/// Looks along the links of a file without following one into another file: such a file is not opened, and not even whether it is there is told.
class OwnLinks {
 public:
  explicit OwnLinks(const h5::File& file) : file_(file), access_(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose) {
    if (H5Pset_elink_cb(access_.id(), refuse, &away_) < 0) throw Error(Code::internal, "HDF5 takes no rule for links");
  }
  OwnLinks(const OwnLinks&) = delete;
  OwnLinks& operator=(const OwnLinks&) = delete;

  /// Whether an object is there, through hard and soft links.
  [[nodiscard]] bool has(const std::string& path) const {
    if (H5Lexists(file_.id(), path.c_str(), access_.id()) <= 0) return false;
    return h5::Handle(H5Oopen(file_.id(), path.c_str(), access_.id()), H5Oclose).ok();
  }
  /// A link to another file was on a way that was looked along.
  [[nodiscard]] bool led_away() const noexcept { return away_; }
  /// Whether the values of a dataset lie in other files, or cannot be told not to.
  [[nodiscard]] bool has_sources(const std::string& path) const {
    const h5::Handle data(H5Dopen2(file_.id(), path.c_str(), access_.id()), H5Dclose);
    if (!data.ok()) throw Error(Code::corrupt_data, path + " in " + file_.path() + " does not open as a dataset");
    const h5::Handle creation(H5Dget_create_plist(data.id()), H5Pclose);
    return !creation.ok() || H5Pget_layout(creation.id()) == H5D_VIRTUAL || H5Pget_external_count(creation.id()) != 0;
  }

 private:
  static herr_t refuse(const char*, const char*, const char*, const char*, unsigned*, hid_t, void* away) {
    *static_cast<bool*>(away) = true;
    return -1;
  }

  const h5::File& file_;
  h5::Handle access_;
  bool away_ = false;
};

class GrowingHdf5 final : public FrameReader {
 public:
  GrowingHdf5(std::string path, const ReaderOptions& options) : path_(std::move(path)), options_(options) {}

  void look(bool ended) override {
    ended_ = ended;
    waits_.clear();
    const Writer writer = writer_of(path_);
    if (writer == Writer::swmr) swmrSeen_ = true;
    closed_ = swmrSeen_ && writer == Writer::none;
    if (writer == Writer::no_file || writer == Writer::other) {
      waits_ = path_ + (writer == Writer::other ? " is open for writing, and not in SWMR mode (or its writer died: h5clear -s makes it readable)" : " is no HDF5 file");
      data_.reset();
      if (ended) throw Error(Code::corrupt_data, waits_);
      return;
    }
    const std::string identity = identity_of(path_);
    if (data_ != nullptr && swmr_ && writer == Writer::swmr) data_->refresh();
    else if (data_ == nullptr || identity != identity_ || swmr_ || ended) open(writer == Writer::swmr);
    identity_ = identity;
    if (data_->frames() < next_) {
      throw Error(Code::io_failed, data_->name() + " became shorter: " + std::to_string(data_->frames()) + " frames, and " + std::to_string(next_) + " were read");
    }
  }

  void want(std::uint64_t first, std::uint64_t last) override {
    next_ = first;
    last_ = std::min(last, std::numeric_limits<std::uint64_t>::max() - 1);  // behind it is one more
  }

  bool fetch(std::unique_ptr<StoredFrames>& stored) override {
    if (data_ == nullptr || next_ > last_) return false;
    if (next_ == data_->frames()) {
      if (ended_) data_.reset();
      return false;
    }
    if (!whole_row()) return false;
    if (stored == nullptr) stored = std::make_unique<StoredChunks>();
    auto& chunks = static_cast<StoredChunks&>(*stored);
    // Decoded before the next look: frames that hold the file open would keep HDF5 from seeing it anew.
    chunks.dataset = std::shared_ptr<const Hdf5Dataset>(std::shared_ptr<void>(), data_.get());
    chunks.first = next_;
    const std::uint64_t run = std::min(data_->run_from(next_), data_->row_end(next_) - next_);
    data_->load(next_, std::min(run, last_ - next_ + 1), chunks.frames);
    missingChunks_ += data_->missing_chunks() - missingBefore_;
    missingBefore_ = data_->missing_chunks();
    next_ += chunks.frames.frames;
    return true;
  }

  [[nodiscard]] std::uint64_t frames() const override { return next_; }
  [[nodiscard]] double position() const override { return 0; }
  [[nodiscard]] bool dense() const override { return false; }
  [[nodiscard]] bool openEnded() const override { return true; }
  [[nodiscard]] std::string waits() const override { return waits_; }
  [[nodiscard]] bool closed() const override { return closed_; }
  [[nodiscard]] std::vector<std::string> warnings() const override {
    if (missingChunks_ == 0) return {};
    return {std::to_string(missingChunks_) + " chunks of " + path_ + " were never written; their pixels hold the fill value of the dataset"};
  }

 private:
  void open(bool swmr) {
    data_.reset();
    missingBefore_ = 0;
    swmr_ = swmr;
    h5::File file = h5::File::follow(path_, swmr);
    const std::string dataset = dataset_of(file);
    auto data = std::make_shared<Hdf5Dataset>(std::move(file), dataset);
    if (!data->in_own_file()) throw Error(Code::unsupported, path_ + kElsewhere);
    check_shape(*data);
    if (!ended_ && !data->tells_frames()) {
      throw Error(Code::unsupported, data->name() + " does not tell which of its frames are written: it must be chunked, and have room for its chunks made as they are written");
    }
    data_ = std::move(data);
  }

  /// Path of the dataset of frames. One that is not there yet may come.
  [[nodiscard]] std::string dataset_of(const h5::File& file) const {
    const OwnLinks own(file);
    const std::string none = path_ + " has neither a dataset /entry/data/data nor /entry/data/data_000001, where the frames are expected";
    const auto there = [&](const char* name) {
      const bool found = own.has(name);
      if (own.led_away()) throw Error(Code::unsupported, path_ + kElsewhere);
      return found;
    };
    std::string dataset;
    for (const char* name : {"/entry", "/entry/data"}) {
      if (!there(name)) throw Error(ended_ ? Code::unsupported : Code::corrupt_data, none);
    }
    for (const char* name : {"/entry/data/data", "/entry/data/data_000000", "/entry/data/data_000001", "/entry/data/data_000002"}) {
      if (!there(name)) continue;
      if (!dataset.empty()) throw Error(Code::unsupported, path_ + " has its frames in several datasets: stream the folder of its data files");
      dataset = name;
      if (dataset == "/entry/data/data") break;
    }
    if (dataset.empty()) throw Error(ended_ ? Code::unsupported : Code::corrupt_data, none);
    // Before its extent is asked for, which looks into the sources of a virtual dataset.
    if (own.has_sources(dataset)) throw Error(Code::unsupported, path_ + kElsewhere);
    return dataset;
  }

  void check_shape(const Hdf5Dataset& data) {
    const std::uint64_t pixels = std::uint64_t{options_.height} * options_.width;
    const bool same = options_.exactShape ? data.rows() == options_.height && data.columns() == options_.width : data.rows() * data.columns() == pixels;
    if (!same) {
      throw Error(Code::invalid_argument, std::string("the frames of ") + path_ + " are " + std::to_string(data.rows()) + " x " + std::to_string(data.columns()) +
                                              " (rows x columns), the q-map is " + std::to_string(options_.height) + " x " + std::to_string(options_.width) + "; use the q-map of this detector");
    }
    if (wordBytes_ != 0 && data.word_bytes() != wordBytes_) throw Error(Code::io_failed, data.name() + " has another number type than before");
    wordBytes_ = data.word_bytes();
  }

  /// The frames of a row of chunks count when all its chunks are in the file. One chunk of several frames is written more than once: its frames
  /// count when a later chunk is in the file, because chunks leave the writer's cache in order, or at the end.
  [[nodiscard]] bool whole_row() {
    const std::uint64_t end = data_->row_end(next_);
    if (data_->written(next_) && (ended_ || data_->frames_of_chunk() == 1)) return true;
    if (ended_) {
      // Never written, and others behind are: the fill value is what is there.
      if (written_ > next_) return true;
      std::uint64_t rows = 0;
      for (std::uint64_t later = end; later < data_->frames() && rows < kRowsAhead; later = data_->row_end(later), ++rows) {
        if (!data_->written(later)) continue;
        written_ = later;
        return true;
      }
      throw Error(Code::corrupt_data, data_->name() + " announces " + std::to_string(data_->frames()) + " frames, and those from frame " + std::to_string(next_ + 1) + " on were never written");
    }
    return data_->written(next_) && end < data_->frames() && data_->written(end);
  }

  std::string path_;
  ReaderOptions options_;
  std::shared_ptr<Hdf5Dataset> data_;
  std::string identity_, waits_;
  bool swmr_ = false, swmrSeen_ = false, closed_ = false, ended_ = false;
  std::uint64_t next_ = 0, last_ = std::numeric_limits<std::uint64_t>::max() - 1;  // behind it is one more
  std::uint64_t written_ = 0;  ///< a frame that is, behind some that are not
  std::uint64_t missingBefore_ = 0, missingChunks_ = 0;
  std::size_t wordBytes_ = 0;
};

}  // namespace

std::unique_ptr<FrameReader> open_growing_hdf5(const std::string& path, const ReaderOptions& options) { return std::make_unique<GrowingHdf5>(path, options); }

}  // namespace xpcs
