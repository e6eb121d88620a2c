edition 2026

use policy.pat { gentle }
