# The public names, and where they are: read by type checkers, and by the package itself.

from .bands import SelectBands as SelectBands
from .bands import StackBands as StackBands
from .indices import EVI as EVI
from .indices import NBR as NBR
from .indices import NDBI as NDBI
from .indices import NDSI as NDSI
from .indices import NDVI as NDVI
from .indices import NDWI as NDWI
from .indices import SAVI as SAVI
from .indices import NormalizedDifference as NormalizedDifference
from .indices import SpectralIndex as SpectralIndex
from .masks import SENTINEL2_SCL as SENTINEL2_SCL
from .masks import ApplyMask as ApplyMask
from .masks import MaskFromClasses as MaskFromClasses
from .models import ModelOp as ModelOp
from .operators import Identity as Identity
from .operators import Lambda as Lambda
from .operators import Operator as Operator
from .operators import Sequential as Sequential
from .routing import Branch as Branch
from .routing import Fanout as Fanout
from .routing import Tap as Tap
from .scaling import Clip as Clip
from .scaling import Normalize as Normalize
from .scaling import Scale as Scale
from .scaling import Threshold as Threshold
